"""Streaming indicators (SPEC section 2): one pass builds research datasets, the chain's context and live rows.

``params`` spans and their validation; ``registry`` names, units, warm-ups; ``state`` the one buffer that is carried from
bar to bar; ``rolling`` windows and order statistics; one file per indicator family; ``step`` the pass over bars;
``frame`` and ``context`` the two products.
"""
