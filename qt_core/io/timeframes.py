"""Timeframe names of the exchange and their length in milliseconds."""

from qt_core.errors import DataError

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

TIMEFRAME_MS = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
}


def timeframe_to_ms(timeframe: str) -> int:
    """Length of one bar in ms.

    Raises
    ------
    DataError
        If the name is not one of the exchange's evenly spaced timeframes (weeks and months are not).
    """
    if timeframe not in TIMEFRAME_MS:
        raise DataError(f"unknown timeframe {timeframe!r}; expected one of {', '.join(TIMEFRAME_MS)}")
    return TIMEFRAME_MS[timeframe]


def ms_to_timeframe(timeframe_ms: int) -> str:
    """Name of a bar length in ms; raises DataError where the exchange has no such bar."""
    for name, length in TIMEFRAME_MS.items():
        if length == timeframe_ms:
            return name
    raise DataError(f"no timeframe is {timeframe_ms} ms long; expected one of {', '.join(TIMEFRAME_MS)}")
