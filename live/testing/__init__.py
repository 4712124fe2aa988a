"""A simulated exchange in the dialect of Binance USDT-M futures, on loopback: HTTP and WebSocket, matched by the engine.

``Exchange`` (``exchange.py``) is the control object. Nothing here is imported by a live session.
"""
