"""The strict risk chain: risk OS and safety governor (SPEC modules 8, 17, 24, ESS)."""
