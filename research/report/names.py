"""Words for the integer codes of the journal, both ways: a table says words, and codes are found again from them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qt_core.codes import EXIT_NAMES, ORDER_KIND_NAMES, REASON_NAMES, TAG_NAMES
from qt_core.enums import (
    T_AGREEMENT,
    T_CAUTION,
    T_CLASS,
    T_DIRECTIVE,
    T_EXIT_MODE,
    T_EXPOSURE,
    T_LIQUIDITY,
    T_POLICY,
    T_PRIORITY,
    T_RISK_MODE,
    T_SIDES,
    T_STRATEGY,
    T_STYLE,
    T_TIER,
    T_TPSL,
    T_TREND,
    T_VOLATILITY,
    TALLIES,
)
from qt_core.explain.words import EVENT_WORDS, MODULE_LABELS, label

_CODE = "code "  # before a number that is no code of ours


class Words:
    """Names of the codes ``first, first + 1, ...``; a number beside them is written as ``code N``."""

    def __init__(self, names: Sequence[str], first: int = 0) -> None:
        self.names = dict(enumerate(names, first))
        self.codes = {name: code for code, name in self.names.items()}

    @classmethod
    def of(cls, names: "dict[int, str]") -> "Words":
        """From codes that do not follow each other."""
        out = cls(())
        out.names, out.codes = dict(names), {name: code for code, name in names.items()}
        return out

    def say(self, codes: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The word of each code."""
        found, where = np.unique(np.asarray(codes), return_inverse=True)
        words = [self.names.get(int(k), f"{_CODE}{int(k)}") for k in found]
        return np.array(words, dtype=object)[where] if words else np.zeros(0, dtype=object)

    def read(self, words: Sequence[str]) -> npt.NDArray[np.int64]:
        """The code of each word.

        Raises
        ------
        KeyError
            For a word that names no code.
        """
        known = {w: self.codes[w] if w in self.codes else _number(w) for w in set(words)}
        return np.array([known[w] for w in words], dtype=np.int64)


def _number(word: str) -> int:
    if not word.startswith(_CODE):
        raise KeyError(word)
    return int(word.removeprefix(_CODE))


def _said(row: int, first: int = 0) -> Words:
    names = TALLIES[row][2]
    return Words(("none", *names) if first < 0 else names, first)


MODULES = Words.of({0: "", **{code: label(code) for code in MODULE_LABELS}})
REASONS = Words(REASON_NAMES)
SIDES = Words(("short", "flat", "long"), -1)
KINDS = Words.of(EVENT_WORDS)
# column -> its words, in whichever table it stands
WORDS: dict[str, Words] = {
    "side": SIDES,
    "exit_reason": Words(EXIT_NAMES),
    "tag": Words(TAG_NAMES),
    "module": MODULES,
    "limit_module": MODULES,
    "vol_class": _said(T_VOLATILITY),
    "trend_class": _said(T_TREND),
    "liquidity_class": _said(T_LIQUIDITY),
    "tpsl_class": _said(T_TPSL),
    "market_vol": _said(T_VOLATILITY),
    "market_trend": _said(T_TREND),
    "market_liquidity": _said(T_LIQUIDITY),
    "hfos_mode": _said(T_RISK_MODE),
    "hfos_by": _said(T_DIRECTIVE),
    "policy_mode": _said(T_POLICY),
    "strategy": _said(T_STRATEGY, -1),
    "strategy_sides": _said(T_SIDES),
    "priority": _said(T_PRIORITY),
    "style": _said(T_STYLE),
    "exit_mode": _said(T_EXIT_MODE),
    "order_kind": Words(ORDER_KIND_NAMES),
    "explored": Words(("no", "strategy", "size", "both")),
    "caution": _said(T_CAUTION),
    "agreement": _said(T_AGREEMENT),
    "exposure_class": _said(T_EXPOSURE),
    "tier": _said(T_TIER),
    "class_code": _said(T_CLASS),
}
ACCOUNT = ""  # symbol of an event that belongs to the whole account
