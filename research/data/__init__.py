"""Market data for research: ``load_market`` and ``simulate_market`` of ``qt_core.io``; imported when first used."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qt_core.io.load import load_market
    from qt_core.io.simulate import simulate_market

__all__ = ["load_market", "simulate_market"]

_HOMES = {"load_market": "qt_core.io.load", "simulate_market": "qt_core.io.simulate"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'research.data' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
