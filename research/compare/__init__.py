"""Models against what needs no model: each alone, together, beside the rules, random sides, and holding."""
