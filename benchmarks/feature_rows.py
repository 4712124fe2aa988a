"""Rows of the features, measured by ``benchmarks.features.bench_features``: dicts of the fields of ``Row``."""

from benchmarks.features import bench_features
from benchmarks.table import Row, say
from qt_core.market import Market

GROUP = "features, streaming"


def feature_rows(runs: int, market: "Market | None") -> list[Row]:
    """Time per symbol-bar of all indicators in one pass, and the ratio to TA-Lib in batch; None = the usual market."""
    say("features: one streaming pass beside TA-Lib, values first")
    return [Row(GROUP, **row) for row in bench_features(runs, market)]
