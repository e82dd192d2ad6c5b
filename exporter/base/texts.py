"""
Parsers for settings with several values.

Pure. The text of a ValueError never contains the value, which is a secret.
"""

import base64
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
        name, _, value = map(str.strip, part.partition(":"))
        if not (TOKEN.fullmatch(name) and VISIBLE.fullmatch(value)):
            raise ValueError("a header isn't `name: value`")
        if name.lower() in map(str.lower, headers):
            raise ValueError("a header is set twice")
        headers[name] = value
    return headers


def keys_of(text: str) -> tuple[bytes, ...]:
    """Parse keys like `whsec_<base64>`, separated by blanks."""
    keys = []
    for each in text.split():
        key = base64.b64decode(each.removeprefix(KEY), validate=True)
        if not each.startswith(KEY) or len(key) not in KEY_BYTES:
            raise ValueError("wrong beginning or length")
        keys.append(key)
    return tuple(keys)
