"""
Take our own secrets out of what a backend or a proxy says: some echo the request.

Pure. Whatever isn't known to be harmless counts as a secret.
"""

from collections.abc import Iterable, Mapping
from itertools import chain

from yarl import URL

HARMLESS = frozenset(
    {"content-type", "user-agent", "x-event-ids", "x-cluster-id", "x-org-id"}
    | {"idempotency-key", "webhook-id", "webhook-timestamp"}
)
SHORTEST = 4
"""What is shorter is in every text, by chance."""


def secrets_of(headers: Mapping[str, str], url: str) -> list[str]:
    """Return what nobody should read of a request's *headers* and its *url*."""
    values = [value for name, value in headers.items() if name.lower() not in HARMLESS]
    words = chain.from_iterable(value.split() for value in values)
    target = URL(url)
    found = {*values, *words, target.query_string, target.raw_query_string}
    found |= {*target.query.values(), target.fragment}
    return sorted((each for each in found if len(each) >= SHORTEST), key=len)[::-1]


def without(secrets: Iterable[str], text: str) -> str:
    """Return *text* with each of *secrets* hidden, the longest first."""
    for secret in secrets:
        text = text.replace(secret, "(hidden)")
    return text
