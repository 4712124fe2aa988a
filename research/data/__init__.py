"""Market data for research: ``load_market`` and ``simulate_market``; both imported when first used."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from research.data.load import load_market
    from research.data.simulate import simulate_market

__all__ = ["load_market", "simulate_market"]

_HOMES = {"load_market": "research.data.load", "simulate_market": "research.data.simulate"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'research.data' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
