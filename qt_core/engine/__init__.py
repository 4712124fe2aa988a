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
__all__ = ["Result", "backtest", "sweep"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
