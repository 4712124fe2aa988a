"""REST endpoints: one module a family, ``routes`` names them all with weight and security."""
