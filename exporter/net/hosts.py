"""Facts about a host that need no look at the network."""

import re
from contextlib import suppress
from ipaddress import ip_address


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
