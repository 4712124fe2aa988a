"""Event backtester for USDT-M perpetuals: ledger, fills, matching, run loop, sweep (SPEC section 8).

``from qt_core.engine import backtest, sweep, Result``; loaded on first use, so that kernels may import this package
(the files are called otherwise, since a submodule would hide a function of its name).
"""

from typing import Any

_LAZY = {
    "backtest": "qt_core.engine.session",
    "sweep": "qt_core.engine.sweeping",
    "Result": "qt_core.engine.result",
}
__all__ = ["Result", "backtest", "sweep"]  # noqa: F822  resolved by __getattr__


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_LAZY[name]), name)
