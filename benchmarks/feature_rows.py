"""Rows of the features, measured by ``benchmarks.features.bench_features``.

Contract: ``bench_features(runs: int) -> list[dict]``, each dict the fields of ``Row`` but ``group``: ``what``, ``value``,
``unit`` and, where they apply, ``floor``, ``aim``, ``higher``, ``facts``.
"""

import importlib
from typing import Any

from benchmarks.table import Row, say

GROUP = "features, streaming"


def feature_rows(runs: int) -> list[Row]:
    """Time per symbol-bar of all indicators in one pass, and the ratio to TA-Lib in batch."""
    say("features: one streaming pass beside TA-Lib")
    try:
        module: Any = importlib.import_module("benchmarks.features")
    except ModuleNotFoundError as error:
        if error.name != "benchmarks.features":
            raise
        facts = {"note": "benchmarks/features.py does not exist yet"}
        return [Row(GROUP, "times TA-Lib in batch", float("nan"), "x", 1.0, 2.0, facts=facts)]
    return [Row(GROUP, **row) for row in module.bench_features(runs=runs)]
