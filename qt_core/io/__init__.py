"""Files that research and live both read: candles, funding, contract specs, leverage brackets. No kernel imports it."""
