"""
Hide our own secrets in answers, because some backends and proxies echo the request.

Pure. A header that isn't known to be harmless is a secret.
"""

import base64
import html
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from urllib.parse import quote, quote_plus

from yarl import URL

HARMLESS = frozenset(
    {"content-type", "user-agent", "x-event-ids", "x-cluster-id", "x-org-id"}
    | {"idempotency-key", "webhook-id", "webhook-timestamp", "x-physical-tenant-id"}
)
GO_ESCAPES = {ord(each): f"\\u{ord(each):04x}" for each in "<>&"}
ENCODINGS: tuple[Callable[[str], str], ...] = (
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    lambda text: json.dumps(text)[1:-1].replace("/", r"\/"),  # PHP
    lambda text: json.dumps(text)[1:-1].translate(GO_ESCAPES),
    html.escape,
    quote,
    quote_plus,
)
"""The forms in which an answer may contain a secret."""
HIDDEN = "(hidden)"
SHORTEST = 4
"""A shorter text may occur anywhere by chance."""


def secrets_of(headers: Mapping[str, str], url: str) -> list[str]:
    """Return the secrets in a request's *headers* and *url*, the longest first."""
    values = [value for name, value in headers.items() if name.lower() not in HARMLESS]
    words = {*chain.from_iterable(value.split() for value in values)}
    target = URL(url)
    found = {*values, *words, target.query_string, target.raw_query_string}
    found.add(url.partition("#")[0].partition("?")[2])
    found |= {*target.query.values(), *_passwords(words), target.fragment}
    found |= {encoded(each) for each in found for encoded in ENCODINGS}
    return sorted((each for each in found if len(each) >= SHORTEST), key=len)[::-1]


def _passwords(words: set[str]) -> Iterator[str]:
    """Yield `user:password` and the password of basic authentication in *words*."""
    for word in words:
        with suppress(ValueError):
            text = base64.b64decode(word, validate=True).decode()
            yield from (text, text.partition(":")[2])


def hide(secrets: Sequence[str], text: str) -> str:
    """
    Return *text* with each of *secrets* hidden.

    The text may be cut off, so the beginning of a secret is hidden at its end.
    """
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    for secret in secrets:
        for length in range(min(len(secret), len(text)), SHORTEST - 1, -1):
            if text.endswith(secret[:length]):
                return text[:-length] + HIDDEN
    return text
