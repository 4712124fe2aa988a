"""Recorded messages of the real exchange, read from the folder of fixtures: the JSON of each, by name."""

import json
from pathlib import Path
from typing import Any

REST = "fixtures/jkorf_binance_net/Endpoints/UsdFutures"
STREAMS = "fixtures/jkorf_binance_net/Subscriptions/UsdFutures"
PUBLIC = "fixtures/gocryptotrader/binance_fapi_http.json"
PRIVATE = "fixtures/ccxt/binance_usdm_responses.json"


def rest(folder: Path, name: str) -> Any:
    """Answer of an endpoint: the file's first three lines are method, path and whether it is signed."""
    text = (folder / REST / f"{name}.txt").read_text().replace("\r", "")
    return json.loads(text.split("\n", 3)[3])


def stream(folder: Path, name: str) -> Any:
    """Payload of a stream: what stands after the last ``=``, without the wrapper of combined streams."""
    text = (folder / STREAMS / f"{name}.txt").read_text().replace("\r", "")
    return json.loads(text.rsplit("\n=", 1)[1])["data"]


def public(folder: Path, path: str, wanted: str = "") -> Any:
    """Recorded answer of a public endpoint, the first whose query holds ``wanted``."""
    rows = json.loads((folder / PUBLIC).read_text())[path]["GET"]
    return next(r["data"] for r in rows if wanted in r["queryString"])


def private(folder: Path, start: str) -> Any:
    """Recorded answer of a signed endpoint, by the beginning of its name."""
    found = json.loads((folder / PRIVATE).read_text())
    return next(v for k, v in found.items() if k.startswith(start))


def shape(value: Any) -> Any:
    """Keys and JSON types: numbers are one type, a list of objects is its first item, a row each of its values."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    if isinstance(value, list):
        if any(isinstance(v, (dict, list)) for v in value):
            return [shape(v) for v in value[:1]]
        types = [shape(v) for v in value]
        return types[:1] if len(set(types)) == 1 else types  # a row of mixed values: each in its place
    if isinstance(value, bool) or value is None:
        return str(value is not None and type(value).__name__)
    return "number" if isinstance(value, (int, float)) else "text"


def differences(ours: Any, theirs: Any, where: str = "") -> dict[str, str]:
    """Where two shapes differ: path -> what."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        out = {}
        for key in sorted(set(ours) | set(theirs)):
            path = f"{where}.{key}" if where else key
            if key not in theirs:
                out[path] = "only ours"
            elif key not in ours:
                out[path] = "only theirs"
            else:
                out |= differences(ours[key], theirs[key], path)
        return out
    if isinstance(ours, list) and isinstance(theirs, list):
        if not ours or not theirs:
            return {}
        if len(ours) != len(theirs):
            return {where: f"{len(ours)} values for {len(theirs)}"}
        pairs = zip(ours, theirs, strict=True)
        rows = (differences(a, b, f"{where}[{k}]" if len(ours) > 1 else where) for k, (a, b) in enumerate(pairs))
        return {path: what for row in rows for path, what in row.items()}
    return {} if ours == theirs else {where: f"{ours} for {theirs}"}


def compared(ours: Any, theirs: Any) -> dict[str, str]:
    return differences(shape(ours), shape(theirs))
