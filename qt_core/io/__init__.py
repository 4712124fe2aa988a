"""What research and live both read: candles, funding, contracts, signal tapes, simulated markets. No kernel imports it."""
