"""Params as one record: compiled kernels take it by address.

Passed by value, three hundred numbers would travel with every call that is not yet inlined, and the compiler would carry
each through every layer. Attribute access reads the same: ``p.risk.max_leverage``. Interpreted, the NamedTuples serve.
"""

from functools import cache
from typing import Any

import numpy as np

from qt_core._jit import INTERPRETED


@cache
def _dtype(kinds: tuple[tuple[str, type], ...]) -> np.dtype[Any]:
    """Nested dtype: per part, its fields; floats are f8, ints i8."""
    parts = []
    for name, part in kinds:
        fields = [(k, "f8" if isinstance(v, float) else "i8") for k, v in part._field_defaults.items()]  # type: ignore[attr-defined]
        parts.append((name, np.dtype(fields, align=True)))
    return np.dtype(parts, align=True)


def params_record(params: Any) -> Any:
    """The same numbers as a record for kernels; the Params themselves while interpreted."""
    if INTERPRETED:
        return params
    kinds = tuple((name, type(part)) for name, part in zip(params._fields, params, strict=True))
    rows = np.zeros(1, dtype=_dtype(kinds))
    rows[0] = tuple(tuple(part) for part in params)
    return rows.view(np.recarray)[0]
