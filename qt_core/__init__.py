"""Functional core of Quantum Trader: bars in, decisions out, no I/O."""

__version__ = "0.1.0"
