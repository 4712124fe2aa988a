"""How large: the RL sizer (19) and the trading mathematician (20)."""
