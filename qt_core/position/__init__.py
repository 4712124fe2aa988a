"""Life of a position: dynamic TP/SL and trailing (SPEC modules 9, 10, 14, 23)."""
