"""The signal tape of a training as one parquet file: who said what of which bar, by which model, trained until when."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from qt_core.errors import DataError
from qt_core.io.files import Columns, read_metadata, read_parquet, write_parquet
from qt_core.market import FloatArray, IntArray, Market, utc_text
from qt_core.signal.tape import N_CLASSES, N_MODELS, SLOT_NAMES, SignalTape

FORMAT = "qt-tape/2"
NO_MODEL = -1
CLASSES = ("sell", "hold", "buy")


def write_tape(
    path: Path, tape: SignalTape, market: Market, slots: tuple[str, ...], horizon_bars: "int | None" = None
) -> None:
    """One row per bar and symbol on which any model speaks; per slot probabilities, model number and train cut-off."""
    t, i = np.nonzero(tape.available.any(axis=2))
    columns: Columns = {
        "open_time": market.time[t],
        "symbol": np.array(market.symbols)[i],
        "close": market.close[t, i],  # a tape of other prices on the same bars is refused by it
    }
    cutoffs = np.array([m.get("train_cutoff_ms") or 0 for m in tape.models] + [0], dtype=np.int64)
    for k, name in enumerate(slots):
        says = tape.available[t, i, k]
        for c, word in enumerate(CLASSES):
            columns[f"{name}_{word}"] = np.where(says, tape.proba[t, i, k, c], np.float32(np.nan))
        model = np.where(says, tape.model_id[t, k], NO_MODEL)
        columns[f"{name}_model"] = model.astype(np.int32)
        columns[f"{name}_cutoff_ms"] = np.where(says, cutoffs[model], -1)
    about = {"format": FORMAT, "slots": list(slots), "models": list(tape.models), "timeframe_ms": market.timeframe_ms}
    about["horizon_bars"] = horizon_bars
    write_parquet(path, columns, {"qt_tape": json.dumps(about)})


def check_target(path: Path) -> None:
    """Refuse to write where something else than a tape lies, or where nothing may be written.

    Raises
    ------
    DataError
        Naming the file and what was expected.
    """
    if path.exists():
        read_about(path)
    parent = next(p for p in path.absolute().parents if p.exists())
    if not os.access(parent, os.W_OK | os.X_OK):
        raise DataError(f"{parent}: may not be written; a folder that may be expected")


def read_about(path: Path) -> dict[str, Any]:
    """Format, slots, models and bar length of a tape's file.

    Raises
    ------
    DataError
        If the file is missing or no tape.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; a tape written by qt tape expected")
    about: dict[str, Any] = json.loads(read_metadata(path).get("qt_tape") or "{}")
    if about.get("format") != FORMAT:
        raise DataError(f"{path}: no tape of {FORMAT}; a file written by qt tape expected")
    return about


def read_tape(path: Path, market: Market) -> SignalTape:
    """The tape of a file on a market's bars; bars or symbols the file does not have are abstentions.

    Raises
    ------
    DataError
        If the file is no tape, is of another bar length, or shares no bar with the market; or a model's cut-off does not
        lie before a row it speaks on.
    """
    about = read_about(path)
    if about["timeframe_ms"] != market.timeframe_ms:
        raise DataError(f"{path}: bars of {about['timeframe_ms']} ms; the market has bars of {market.timeframe_ms} ms")
    slots = tuple(about["slots"])
    names = [f"{name}_{part}" for name in slots for part in (*CLASSES, "model", "cutoff_ms")]
    columns = read_parquet(path, ("open_time", "symbol", "close", *names))
    where = _places(columns, market)
    keep = where[0] >= 0
    if not keep.any():
        raise DataError(f"{path}: no bar of the market's span and symbols; a tape of the same market expected")
    t, i = where[0][keep], where[1][keep]
    if len(np.unique(t * market.n_symbols + i)) < len(t):
        raise DataError(f"{path}: a bar of a symbol stands there twice; one row for each expected")
    _check_prices(path, columns["close"][keep], t, i, market)
    shape = (market.n_bars, market.n_symbols, N_MODELS)
    tape = SignalTape(
        np.zeros((*shape, N_CLASSES), dtype=np.float32),
        np.zeros(shape, dtype=np.bool_),
        np.full((shape[0], N_MODELS), NO_MODEL, dtype=np.int64),
        tuple(about["models"]),
    )
    for k, name in enumerate(slots):
        model = columns[f"{name}_model"][keep]
        says = model >= 0
        if says.any() and model.max() >= len(about["models"]):
            raise DataError(f"{path}: {name} has model number {model.max()}; 0 to {len(about['models']) - 1} expected")
        _check_cutoffs(path, name, columns[f"{name}_cutoff_ms"][keep][says], market.time[t[says]] + market.timeframe_ms)
        for c, word in enumerate(CLASSES):
            tape.proba[t[says], i[says], k, c] = columns[f"{name}_{word}"][keep][says]
        tape.available[t[says], i[says], k] = True
        tape.model_id[t[says], k] = model[says]
    return tape


def _places(columns: Columns, market: Market) -> tuple[IntArray, IntArray]:
    """Row and symbol of each line in the market; -1 where it has none."""
    t = np.searchsorted(market.time, columns["open_time"])
    names = np.array(market.symbols)
    symbol = columns["symbol"].astype(str)
    i = np.searchsorted(names, symbol)
    found = (t < market.n_bars) & (i < len(names))
    found &= (market.time[np.minimum(t, market.n_bars - 1)] == columns["open_time"]) & (
        names[np.minimum(i, len(names) - 1)] == symbol
    )
    return np.where(found, t, -1), np.where(found, i, -1)


def _check_prices(path: Path, close: FloatArray, t: IntArray, i: IntArray, market: Market) -> None:
    """What was said of other prices is nothing said of these."""
    other = close != market.close[t, i]
    if other.any():
        k = int(other.argmax())
        raise DataError(
            f"{path}: made when {market.symbols[i[k]]} closed at {close[k]:g} at {utc_text(int(market.time[t[k]]))}; "
            f"the market has {market.close[t[k], i[k]]:g}, so a tape of these candles expected"
        )


def _check_cutoffs(path: Path, name: str, cutoff_ms: IntArray, close_ms: IntArray) -> None:
    """A model must not have known of the bar it speaks on."""
    late = cutoff_ms > close_ms
    if late.any():
        k = int(late.argmax())
        raise DataError(
            f"{path}: {name} speaks at {utc_text(int(close_ms[k]))} but was trained until {utc_text(int(cutoff_ms[k]))}; "
            "a cut-off at or before the bar's close expected"
        )


def slot_names(slots: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the four slots for people."""
    return tuple(slots[k] if k < len(slots) else SLOT_NAMES[k] for k in range(N_MODELS))
