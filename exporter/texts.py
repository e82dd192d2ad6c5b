"""
Settings that hold more than one value: what their texts mean.

Pure; a `ValueError` never repeats what it complains about, which is a secret.
"""

import re

TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
VISIBLE = re.compile(r"[!-~]([ -~]*[!-~])?")


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
