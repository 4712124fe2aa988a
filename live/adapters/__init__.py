"""Adapters: each fills one port of live.ports."""
