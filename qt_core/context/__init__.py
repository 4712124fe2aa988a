"""What kind of market it is (SPEC section 3): regime per symbol and for the market."""
