"""Which trades: the meta-strategy (21) and the opportunity ranker (22)."""
