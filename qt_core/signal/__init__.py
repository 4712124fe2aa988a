"""Prediction: the signal tape, the rule signals that stand in for models, and the ensemble (SPEC section 2)."""
