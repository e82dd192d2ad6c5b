"""
JSON to Python and back: the only module that knows ujson.

64-bit keys are read exactly, text stays UTF-8, and the output is compact.
"""

from functools import partial
from typing import Any

import ujson

_dumps = partial(ujson.dumps, escape_forward_slashes=False, allow_nan=False)


def decode(data: bytes) -> Any:
    """Decode JSON; raise ValueError if *data* isn't JSON."""
    return ujson.loads(data)


def encode(value: Any) -> bytes:
    """Encode compact UTF-8 JSON; raise OverflowError for NaN and infinity."""
    try:
        return _dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        # A lone surrogate has no UTF-8 form, so everything is escaped.
        return _dumps(value, ensure_ascii=True).encode()
