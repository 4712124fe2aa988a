"""Checks a result must pass before it is believed."""
