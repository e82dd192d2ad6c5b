"""Facts about a host or a URL that need no look at the network."""

import re
from contextlib import suppress
from ipaddress import ip_address

from yarl import URL


def is_loopback(host: str) -> bool:
    """Whether *host* is surely this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_half_address(host: str) -> bool:
    """Whether *host* is an incomplete IP address, like 127.1."""
    with suppress(ValueError):
        return ip_address(host) is None
    return bool(re.search(r"(^|\.)(\d+|0x[\da-f]*)\.?$", host, re.IGNORECASE))


def http_url(text: str) -> URL | None:
    """Parse an absolute URL whose host is a name or a complete IP address."""
    try:
        url = URL(text)
        host = url.raw_host or ""
        host.encode("idna")  # as the resolver does
    except ValueError:
        return None
    is_absolute = url.scheme in ("http", "https") and host and url.port != 0
    is_clean = text.isprintable() and " " not in text and not is_half_address(host)
    return url if is_absolute and is_clean else None
