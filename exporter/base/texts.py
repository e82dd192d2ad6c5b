"""
Parsers for settings with several values.

Pure. The text of a ValueError never contains the value, which is a secret.
"""

import base64
import binascii
import re

TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
VISIBLE = re.compile(r"[!-~]([ -~]*[!-~])?")

KEY = "whsec_"
KEY_BYTES = range(24, 65)


def without_user(url: str) -> str:
    """Remove user and password from *url*."""
    return re.sub(r"(?s)^.*@", "...@", url)


def headers_of(text: str) -> dict[str, str]:
    """
    Parse headers like `X-Team: a, X-Env: prod`, or one header per line.

    If there are several lines, a comma is part of a value.
    """
    parts = text.split("\n") if "\n" in text.strip() else text.split(",")
    headers: dict[str, str] = {}
    for part in filter(None, map(str.strip, parts)):
        name, colon, value = part.partition(":")
        name, value = name.strip(), value.strip()
        if not (colon and TOKEN.fullmatch(name) and VISIBLE.fullmatch(value)):
            raise ValueError("a header isn't `name: value`")
        if name.lower() in map(str.lower, headers):
            raise ValueError("a header is set twice")
        headers[name] = value
    return headers


def keys_of(text: str) -> tuple[bytes, ...]:
    """Parse keys like `whsec_<base64>`, separated by blanks."""
    return tuple(map(_key, text.split()))


def _key(text: str) -> bytes:
    encoded = text.removeprefix(KEY)
    if encoded == text:
        raise ValueError(f"a key doesn't start with {KEY}")
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a key isn't base64") from None
    if len(key) not in KEY_BYTES:
        raise ValueError("a key is too short or too long")
    return key
