"""Statistics of dependent series: block bootstrap, its block length, and many comparisons at once. numpy only."""
