"""Learning outside the loop: epochs over a window, then a frozen evaluation on a later one (docs/learning.md)."""
