"""Rows of the features: measured by ``benchmarks.features``, shown beside the others."""

from benchmarks.table import Row, say
from benchmarks.tape import Bench

GROUP = "features, streaming"


def feature_rows(bench: Bench, runs: int) -> list[Row]:
    """Time per symbol-bar of all indicators in one pass, and the ratio to TA-Lib in batch."""
    from benchmarks.features import bench_features

    say("features: one streaming pass beside TA-Lib")
    raise NotImplementedError(bench_features, bench, runs)
