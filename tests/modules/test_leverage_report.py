"""Module 8's report of leverage: all notional over all margin, and the quantiles of the trades."""

import math

import numpy as np

from qt_core import records as rec
from qt_core.metrics import leverage_figures


def test_mean_is_notional_over_margin_and_the_spread_is_of_trades():
    trades = np.zeros(4, rec.TRADE_DT)
    trades["margin_usd"] = [100.0, 100.0, 100.0, 300.0]
    trades["leverage"] = [1.0, 2.0, 3.0, 6.0]
    assert leverage_figures(trades) == {
        "mean_leverage": 2400.0 / 600.0,
        "least_leverage": 1.0,
        "median_leverage": 2.5,
        "most_leverage": 6.0,
    }


def test_without_a_trade_nothing_is_known():
    assert all(math.isnan(x) for x in leverage_figures(np.zeros(0, rec.TRADE_DT)).values())
