"""The local book: the exchange's procedure on a recorded stream, its breaks, and what module 16 hears of it."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from live.adapters.book import Book, depth_usd, expected_slippage, spread_and_depth, worst_price


def diff(first: int, last: int, before: int, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> dict:
    return {"e": "depthUpdate", "T": last, "U": first, "u": last, "pu": before, "b": bids, "a": asks}


def small() -> Book:
    book = Book()
    assert not book.on_diff(diff(1, 5, 0, [("9", "1")], []))
    assert not book.on_diff(diff(6, 12, 5, [("10", "3")], [("11", "2")]))
    assert book.on_snapshot(10, [("9", "7"), ("8", "1")], [("12", "4")])
    return book


def test_what_came_before_the_snapshot_is_dropped_and_what_spans_it_applied():
    book = small()
    assert book.live
    assert book.bids == {9.0: 7.0, 8.0: 1.0, 10.0: 3.0}
    assert book.asks == {12.0: 4.0, 11.0: 2.0}


def test_a_snapshot_older_than_what_waits_is_refused():
    book = Book()
    book.on_diff(diff(20, 25, 19, [], []))
    assert not book.on_snapshot(10, [("9", "7")], [("12", "4")])
    assert not book.live
    assert book.on_snapshot(22, [("9", "7")], [("12", "4")])


def test_a_missing_difference_empties_the_book_until_the_next_snapshot():
    book = small()
    assert not book.on_diff(diff(20, 22, 19, [("7", "1")], []))
    assert not book.live
    assert book.bids == {}
    assert book.breaks == 1
    assert book.on_snapshot(21, [("9", "1")], [("10", "1")])
    assert book.bids == {9.0: 1.0, 7.0: 1.0}


def test_duplicates_change_nothing_and_zero_takes_a_level_away():
    book = small()
    again = diff(13, 15, 12, [("9", "0"), ("6", "2")], [])
    assert book.on_diff(again)
    assert book.on_diff(again)
    assert book.bids == {8.0: 1.0, 10.0: 3.0, 6.0: 2.0}


def test_the_recorded_chain_is_unbroken_and_agrees_with_the_best_prices(require_shared: Callable[[str], Path]):
    book, breaks, compared, ticker = Book(), 0, 0, {}
    with gzip.open(require_shared("ws/binance_usdm_btcusdt_20240808.jsonl.gz"), "rt") as lines:
        for line in lines:
            message = json.loads(line.split(" ", 1)[1])
            data = message.get("data", message)
            if "lastUpdateId" in data:
                assert book.on_snapshot(data["lastUpdateId"], data["bids"], data["asks"])
            elif data["e"] == "bookTicker":
                ticker[data["u"]] = (float(data["b"]), float(data["a"]))
            elif data["e"] == "depthUpdate":
                breaks += book.live and not book.on_diff(data)
                if not book.live:
                    book.on_diff(data)
                elif data["u"] in ticker:
                    assert (max(book.bids), min(book.asks)) == ticker[data["u"]]
                    compared += 1
    assert breaks == book.breaks == 0
    assert book.live
    assert compared > 100


def test_slippage_and_depth_by_hand():
    bids = np.array([[99.0, 1.0], [98.0, 10.0]])
    asks = np.array([[101.0, 1.0], [102.0, 1.0], [110.0, 5.0]])
    assert expected_slippage(bids, asks, 1, 2.0) == pytest.approx(0.015)  # (101 + 102) / 2 against 100
    assert expected_slippage(bids, asks, -1, 1.0) == pytest.approx(0.01)
    assert np.isnan(expected_slippage(bids, asks, 1, 8.0))
    assert np.isnan(expected_slippage(bids[:0], asks, 1, 1.0))
    assert depth_usd(asks, 1, 0.01) == pytest.approx(101 + 102)
    assert depth_usd(bids, -1, 0.02) == pytest.approx(99 + 980)
    assert spread_and_depth(bids, asks, 0.01) == pytest.approx((0.02, 99.0))
    assert spread_and_depth(asks, bids, 0.01).spread < 0.0
    assert worst_price(asks, 2.0) == 102.0
    assert np.isnan(worst_price(asks, 7.5))
