"""The same signals through our engine, vectorbt, backtesting.py and backtrader, compared trade by trade."""
