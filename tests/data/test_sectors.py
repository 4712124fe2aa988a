"""Sectors: the exchange's first sub-type, or a table's; an unknown one is the symbol's own and shared with none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qt_core.errors import DataError
from qt_core.io.files import write_json
from qt_core.io.simulate import simulate_market
from qt_core.io.simulate_contracts import SECTORS
from qt_core.market import default_specs
from qt_core.market_build import OWN_SECTOR
from qt_core.sectors import sector_names, with_sectors
from research.data import load_market
from tests.data.build import candles, write_folder
from tests.data.fake_exchange import contract
from tests.features.build import walk

TABLE = {"S00USDT": "PoW", "S02USDT": "DeFi", "S03USDT": "PoW", "ELSEUSDT": "Meme", "S04USDT": ""}


def test_known_sectors_are_shared_and_unknown_ones_never():
    market = with_sectors(walk(5, 6), TABLE)
    assert market.sectors == ("DeFi", "PoW")
    assert sector_names(market) == ("PoW", "", "DeFi", "PoW", "", "")
    ids = market.specs["sector"].tolist()
    assert ids == [2, OWN_SECTOR + 1, 1, 2, OWN_SECTOR + 4, OWN_SECTOR + 5]


def test_they_stay_with_their_symbols_in_a_subset_a_window_and_finer_bars():
    market = with_sectors(replace(walk(5, 6), detail=walk(10, 6, timeframe_ms=1_800_000)), TABLE)
    part = market.select(["S05USDT", "S03USDT", "S01USDT", "S00USDT"])
    assert sector_names(part) == ("PoW", "", "PoW", "")
    assert part.specs["sector"].tolist() == [2, OWN_SECTOR + 1, 2, OWN_SECTOR + 3], "its own by the new place"
    assert part.detail is not None
    assert sector_names(part.detail) == sector_names(part)
    for cut in (market.head(2), market.window(int(market.time[1]), int(market.time[3]))):
        assert sector_names(cut) == sector_names(market)


def test_a_new_table_replaces_the_old_one():
    market = with_sectors(with_sectors(walk(5, 3), TABLE), {"S01USDT": "AI"})
    assert market.sectors == ("AI",)
    assert sector_names(market) == ("", "AI", "")


def test_without_a_table_everything_is_its_own():
    assert default_specs(3)["sector"].tolist() == [OWN_SECTOR, OWN_SECTOR + 1, OWN_SECTOR + 2]
    market = walk(5, 4)
    assert market.sectors == ()
    assert len(set(market.specs["sector"].tolist())) == 4
    assert sector_names(market) == ("",) * 4


def test_too_many_sectors_are_refused(monkeypatch):
    monkeypatch.setattr("qt_core.sectors.OWN_SECTOR", 2)
    with pytest.raises(DataError, match="2 different sectors; fewer than 2 expected"):
        with_sectors(walk(5, 4), TABLE)


def test_the_exchange_s_first_sub_type_is_loaded(tmp_path: Path):
    names = ("AAAUSDT", "BBBUSDT", "CCCUSDT", "DDDUSDT")
    write_folder(tmp_path, {name: candles() for name in names})
    kinds = (["DeFi", "Layer-1"], ["PoW"], [])
    entries = [{**contract(n), "underlyingSubType": kind} for n, kind in zip(names, kinds, strict=False)]
    recording = {"/fapi/v1/exchangeInfo": {"GET": [{"data": {"serverTime": 1_754_596_814_166, "symbols": entries}}]}}
    write_json(tmp_path / "fixtures" / "any" / "binance_fapi_http.json", recording)
    market = load_market(None, root=tmp_path)
    assert sector_names(market) == ("DeFi", "PoW", "", "")
    assert np.unique(market.specs["sector"]).size == 4
    assert sector_names(load_market("BBBUSDT", root=tmp_path)) == ("PoW",)


def test_a_simulated_market_makes_some_up():
    market = simulate_market(n_symbols=7, n_bars=10)
    assert market.sectors == tuple(sorted(SECTORS))
    assert sector_names(market)[:5] == SECTORS
    assert sector_names(market)[5:] == SECTORS[:2]
