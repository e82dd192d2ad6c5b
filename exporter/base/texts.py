"""
Settings that hold more than one value: what their texts mean.

Pure; a `ValueError` never repeats what it complains about, which is a secret.
"""

import base64
import binascii
import re

TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
VISIBLE = re.compile(r"[!-~]([ -~]*[!-~])?")

KEY = "whsec_"
KEY_BYTES = range(24, 65)


def without_user(url: str) -> str:
    """Return *url* without what is in front of its host, which may be a password."""
    return re.sub(r"(?s)^.*@", "...@", url)


def headers_of(text: str) -> dict[str, str]:
    """
    Return the headers in *text*: `X-Team: a, X-Env: prod`, or one on each line.

    Where there are lines, a comma belongs to the value.
    """
    parts = text.split("\n") if "\n" in text.strip() else text.split(",")
    headers: dict[str, str] = {}
    for part in filter(None, map(str.strip, parts)):
        name, colon, value = part.partition(":")
        name, value = name.strip(), value.strip()
        if not (colon and TOKEN.fullmatch(name) and VISIBLE.fullmatch(value)):
            raise ValueError("a header is no `name: value`")
        if name.lower() in map(str.lower, headers):
            raise ValueError("a header is there twice")
        headers[name] = value
    return headers


def keys_of(text: str) -> tuple[bytes, ...]:
    """Return the keys in *text*: `whsec_<base64>`, separated by blanks."""
    return tuple(map(_key, text.split()))


def _key(text: str) -> bytes:
    encoded = text.removeprefix(KEY)
    if encoded == text:
        raise ValueError(f"a key doesn't begin with {KEY}")
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a key is no base64") from None
    if len(key) not in KEY_BYTES:
        raise ValueError("a key is too short or too long")
    return key
