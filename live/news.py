"""What a session did, as news for the event bus, and how long it took."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from live.chain import Chain, Effects
from live.event_bus import EventBus
from live.ports import ClosedBar, Intent
from live.topics import (
    BAR_CLOSED,
    EMERGENCY_RESET,
    EMERGENCY_TRIGGERED,
    ORDER_ENDED,
    ORDER_SENT,
    POSITION_CHANGED,
    POSITION_CLOSED,
    POSITION_OPENED,
    SIGNAL_GENERATED,
    BarClosed,
    EmergencyReset,
    EmergencyTriggered,
    OrderEnded,
    OrderSent,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    SignalGenerated,
)
from qt_core.codes import EV_CANCEL, EV_FILL, EV_LIQUIDATION, EV_REJECT, EXIT_NAMES, REASON_NAMES, TAG_NAMES
from qt_core.enums import TALLIES
from qt_core.records import JE_ESS_LATCH, JE_ESS_RESET, JE_STOP_MOVED

OPS = ("none", "new", "cancel", "amend")
KEPT = 10_000  # durations kept for latency figures
MS_PER_S = 1000.0
ESS_NAMES = next((names for module, _, names in TALLIES if module == "emergency_stop"), ())
STRATEGY_NAMES = next((names for module, what, names in TALLIES if (module, what) == ("meta_strategy", "strategy")), ())


class News:
    """Publishes what calls brought; a listener of ``live.session.Session``."""

    def __init__(self, chain: Chain, bus: EventBus) -> None:
        self._chain, self._bus = chain, bus
        self._waiting: list[tuple[Any, Any]] = []
        self.decided_s: deque[float] = deque(maxlen=KEPT)  # of decision bars: from arrival to on the disk
        self.sent_s: deque[float] = deque(maxlen=KEPT)  # to orders sent

    # --- listening -----------------------------------------------------------------------------------------------------
    def hear(self, effects: Effects, intents: Sequence[Intent]) -> None:
        """Collect; published when the step is over, so that nobody hears of an order before it is on the disk."""
        say = self._waiting.append
        for d in effects.decisions[effects.decisions["reason"] == 0]:
            strategy = STRATEGY_NAMES[int(d["strategy"])] if 0 <= int(d["strategy"]) < len(STRATEGY_NAMES) else ""
            name = self._name(d["symbol"])
            news = SignalGenerated(int(d["time_ms"]), name, int(d["side"]), float(d["confidence"]), strategy)
            say((SIGNAL_GENERATED, news))
        for e in effects.events:
            self._event(e)
        for t in effects.trades:
            self._trade(t)
        for i in intents:
            price = i.price or i.trigger or float("nan")
            tag = TAG_NAMES[i.tag]
            sent = OrderSent(i.time_ms, i.client_id, self._name(i.symbol), OPS[i.op], tag, i.side, i.qty, price)
            say((ORDER_SENT, sent))

    def _name(self, symbol: Any) -> str:
        return self._chain.setup.symbols[int(symbol)]

    def _event(self, e: Any) -> None:
        kind, time_ms = int(e["kind"]), int(e["time_ms"])
        if kind in (EV_FILL, EV_LIQUIDATION):
            self._fill(e, time_ms)
        elif kind in (EV_CANCEL, EV_REJECT):
            how, name = "cancelled" if kind == EV_CANCEL else "refused", self._name(e["symbol"])
            ended = OrderEnded(
                time_ms, str(int(e["seq"])), name, how, 0.0, float("nan"), REASON_NAMES[int(e["reason"])]
            )
            self._waiting.append((ORDER_ENDED, ended))
        elif kind == JE_STOP_MOVED:
            self._changed(time_ms, int(e["symbol"]), "stop moved")
        elif kind == JE_ESS_LATCH:
            by = ESS_NAMES[int(e["reason"])] if 0 <= int(e["reason"]) < len(ESS_NAMES) else str(int(e["reason"]))
            news = EmergencyTriggered(time_ms, by, "nothing opens until a person resets it")
            self._waiting.append((EMERGENCY_TRIGGERED, news))
        elif kind == JE_ESS_RESET:
            self._waiting.append((EMERGENCY_RESET, EmergencyReset(time_ms, "a person", str(int(e["reason"])), 0)))

    def _fill(self, e: Any, time_ms: int) -> None:
        i = int(e["symbol"])
        s, qty, price = self._chain.symbol[i], float(e["qty"]), float(e["price"])
        ended = OrderEnded(time_ms, str(int(e["seq"])), self._name(i), "filled", abs(qty), price, "OK")
        self._waiting.append((ORDER_ENDED, ended))
        if int(s["n_fills"]) == 1 and s["qty"] != 0.0:
            side = 1 if qty > 0 else -1
            opened = PositionOpened(
                time_ms, self._name(i), int(e["trade_id"]), side, abs(qty), price, float(s["leverage"])
            )
            self._waiting.append((POSITION_OPENED, opened))
        elif s["qty"] != 0.0:
            self._changed(time_ms, i, "filled")

    def _changed(self, time_ms: int, i: int, why: str) -> None:
        s = self._chain.symbol[i]
        target = float(s["tp_price"]) or float("nan")
        numbers = (float(s["qty"]), float(s["avg_price"]), float(s["sl_price"]), target)
        news = PositionChanged(time_ms, self._name(i), int(s["trade_id"]), *numbers, why)
        self._waiting.append((POSITION_CHANGED, news))

    def _trade(self, t: Any) -> None:
        numbers = (float(t["exit_price"]), float(t["pnl_usd"]), float(t["r_multiple"]))
        why = EXIT_NAMES[int(t["exit_reason"])]
        news = PositionClosed(
            int(t["exit_ms"]), self._name(t["symbol"]), int(t["trade_id"]), int(t["side"]), *numbers, why
        )
        self._waiting.append((POSITION_CLOSED, news))

    # --- telling -------------------------------------------------------------------------------------------------------
    def tell(self, item: Any, decided_s: float, sent_s: float) -> None:
        """Publish what the step brought; of a decision bar note how long it took."""
        if isinstance(item, ClosedBar) and self._chain.setup.decides(item.open_ms):
            self.decided_s.append(decided_s)
            self.sent_s.append(sent_s)
            self._waiting.append((BAR_CLOSED, self._bar(item, sent_s)))
        waiting, self._waiting = self._waiting, []
        for topic, payload in waiting:
            self._bus.publish(topic, payload)

    def _bar(self, bar: ClosedBar, took_s: float) -> BarClosed:
        names = tuple(self._name(i) for i in bar.late)
        equity = float(self._chain.fund["equity_usd"])
        return BarClosed(bar.open_ms, int(bar.valid.sum()), len(bar.valid), names, took_s * MS_PER_S, equity)

    def latency(self) -> dict[str, float]:
        """Median and 99th percentile in ms, from a bar's arrival to decided (on the disk) and to sent."""
        out = {}
        for name, values in (("decided", self.decided_s), ("sent", self.sent_s)):
            if values:
                out[f"{name}_median_ms"], out[f"{name}_p99_ms"] = (
                    float(q) * MS_PER_S for q in np.percentile(np.array(values), (50, 99))
                )
        return out


def foreign_text(row: Any, symbols: Sequence[str]) -> str:
    """Of a trade that no order of this session made, what happened; empty of anything else."""
    if int(row["kind"]) != EV_FILL or int(row["seq"]) != 0:
        return ""
    name, side = symbols[int(row["symbol"])], "bought" if int(row["side"]) > 0 else "sold"
    return f"{name}: {float(row['qty']):g} {side} at {float(row['price']):g} by an order that is not this session's"
