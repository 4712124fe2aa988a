"""How an order is sent: kind, price, life, route."""
