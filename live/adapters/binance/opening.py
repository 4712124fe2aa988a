"""What is checked and set before a session may trade: contracts, keys, modes. Every refusal is one line that says what
to do.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from live.adapters.binance.budget import CALM
from live.adapters.binance.outcomes import ALREADY, FATAL
from live.adapters.binance.session import (
    ACCOUNT_CONFIG,
    FEE_BURN,
    INFO,
    POSITIONS,
    SET_MARGIN,
    SET_ONE_WAY,
    SYMBOL_CONFIG,
    CallFailed,
    Endpoint,
    Session,
)
from live.errors import LiveError

STEP_TOLERANCE = 1e-9  # relative: both sides are decimal texts read as doubles
NAMES_SHOWN = 5


async def asked(session: Session, endpoint: Endpoint, params: "dict[str, Any] | None" = None) -> Any:
    """One call of the opening; a failure ends it.

    Raises
    ------
    LiveError
        One line with the exchange's own words.
    """
    try:
        return await session.call(endpoint, params)
    except CallFailed as failed:
        outcome = failed.outcome
    what = (
        "key refused (wrong key, address not allowed, or no futures permission)" if outcome.kind == FATAL else "failed"
    )
    raise LiveError(f"binance: {endpoint.method} {what}: {outcome.text[:300]}")


async def open_clock(session: Session, alarm: Callable[[int, str, str], None], urgency: int = CALM) -> None:
    """Measure the exchange's clock and say where ours is far off."""
    try:
        offset = await session.set_clock(urgency)
    except CallFailed as failed:
        raise LiveError(f"binance: no answer to the first question: {failed.outcome.text[:300]}") from None
    if abs(offset) > session.settings.skew_warn_ms:
        alarm(
            1,
            "clock",
            f"this computer's clock is {-offset:.0f} ms from the exchange's; requests are dated by the latter",
        )


async def open_contracts(session: Session, symbols: Sequence[str], specs: Any) -> None:
    """Take the rate limits, and compare the contracts with the session's specs.

    Raises
    ------
    LiveError
        Naming the symbols that do not trade, or the filter that differs.
    """
    info = await asked(session, INFO)
    session.budget.learn(info.get("rateLimits", ()))
    rows = {row["symbol"]: row for row in info["symbols"]}
    missing = [s for s in symbols if s not in rows]
    if missing:
        raise LiveError(f"binance: no contract {_some(missing)}")
    idle = [f"{s} ({rows[s]['status']})" for s in symbols if rows[s]["status"] != "TRADING"]
    if idle:
        raise LiveError(f"binance: not trading: {_some(idle)}; take them out of the session's symbols")
    wrong = [text for i, s in enumerate(symbols) for text in compare(s, rows[s], specs[i])]
    if wrong:
        raise LiveError(f"binance: contracts differ from the session's: {_some(wrong)}; load the contracts anew")


def compare(name: str, row: Mapping[str, Any], spec: Any) -> list[str]:
    """Where the exchange's filters differ from a row of market.SPEC_DT. A smaller minimum there is no difference."""
    f = {x["filterType"]: x for x in row["filters"]}
    steps = max(float(f["LOT_SIZE"]["stepSize"]), float(f.get("MARKET_LOT_SIZE", f["LOT_SIZE"])["stepSize"]))
    notional = float(f.get("MIN_NOTIONAL", {}).get("notional", 0.0))
    out = []
    if _differs(float(f["PRICE_FILTER"]["tickSize"]), float(spec["tick_size"])):
        out.append(f"{name} tick {f['PRICE_FILTER']['tickSize']} against {float(spec['tick_size']):g}")
    if _differs(steps, float(spec["lot_step"])):
        out.append(f"{name} lot {steps:g} against {float(spec['lot_step']):g}")
    if notional > float(spec["min_notional"]) * (1.0 + STEP_TOLERANCE):
        out.append(f"{name} minimum notional {notional:g} against {float(spec['min_notional']):g}")
    if float(f.get("MARKET_LOT_SIZE", f["LOT_SIZE"])["maxQty"]) < float(spec["max_qty"]) < float("inf"):
        out.append(f"{name} largest market order {f['MARKET_LOT_SIZE']['maxQty']} against {float(spec['max_qty']):g}")
    return out


def _differs(there: float, here: float) -> bool:
    return here > 0.0 and abs(there - here) > STEP_TOLERANCE * here


def _some(texts: Iterable[str]) -> str:
    all_of_them = list(texts)
    more = len(all_of_them) - NAMES_SHOWN
    return ", ".join(all_of_them[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


async def open_account(session: Session) -> None:
    """Check that the account may trade in the way the ledger counts: one-way, single asset, fees in USDT.

    Fees in BNB are refused rather than converted: they are taken from another wallet at a price that no event states.

    Raises
    ------
    LiveError
        Saying which switch to turn.
    """
    config = await asked(session, ACCOUNT_CONFIG)
    if not config.get("canTrade", True):
        raise LiveError("binance: the account or the key may not trade futures; give the key that permission")
    if config.get("multiAssetsMargin"):
        raise LiveError("binance: multi-assets mode is on; switch it off, margins are counted in USDT")
    if config.get("dualSidePosition"):
        await _set_one_way(session)
    try:
        burn = await session.call(FEE_BURN)
    except CallFailed:
        return  # a demo account does not have the switch
    if isinstance(burn, Mapping) and burn.get("feeBurn"):
        raise LiveError("binance: fees are paid in BNB; switch that off for futures, fees are counted in USDT")


async def _set_one_way(session: Session) -> None:
    rows = await asked(session, POSITIONS)
    held = [row["symbol"] for row in rows if float(row["positionAmt"]) != 0.0]
    if held:
        raise LiveError(f"binance: hedge mode with positions in {_some(held)}; close them, this program trades one-way")
    await asked(session, SET_ONE_WAY, {"dualSidePosition": "false"})


async def open_symbols(session: Session, symbols: Sequence[str]) -> dict[int, float]:
    """Set isolated margin where it is not, verify it, and return each symbol's leverage by index.

    Leverage itself is set with the first order that needs another one: 220 calls at the start would use up the budget.

    Raises
    ------
    LiveError
        Naming the symbols that stay crossed.
    """
    rows = {row["symbol"]: row for row in await asked(session, SYMBOL_CONFIG)}
    crossed = [s for s in symbols if s in rows and rows[s]["marginType"].upper() != "ISOLATED"]
    for name in crossed:
        try:
            await session.call(SET_MARGIN, {"symbol": name, "marginType": "ISOLATED"})
        except CallFailed as failed:
            if failed.outcome.kind != ALREADY:
                raise LiveError(f"binance: isolated margin for {name} refused: {failed.outcome.text[:200]}") from None
    if crossed:
        rows = {row["symbol"]: row for row in await asked(session, SYMBOL_CONFIG)}
        left = [s for s in crossed if rows[s]["marginType"].upper() != "ISOLATED"]
        if left:
            raise LiveError(f"binance: still crossed margin: {_some(left)}; close their positions and orders")
    return {i: float(rows[s]["leverage"]) for i, s in enumerate(symbols) if s in rows}
