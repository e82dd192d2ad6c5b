"""
JSON to Python and back: the only module that knows which library does it.

64-bit keys are read exactly, text stays UTF-8, and what comes out is compact.
"""

from functools import partial
from typing import Any

import ujson

_dumps = partial(ujson.dumps, escape_forward_slashes=False, allow_nan=False)


def decode(data: bytes) -> Any:
    """Return what *data* says; `ValueError` when it is no JSON."""
    return ujson.loads(data)


def encode(value: Any) -> bytes:
    """Return compact UTF-8 JSON; `OverflowError` for NaN and infinity."""
    try:
        return _dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        # A lone surrogate has no UTF-8 form: the whole value is escaped instead.
        return _dumps(value, ensure_ascii=True).encode()
