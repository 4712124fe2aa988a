"""Binance USDT-M through ccxt: the broker, and what the feed shares with it. How it works: docs/live_binance.md."""
