"""What a host's text says about it, without a look at the network."""

import re
from contextlib import suppress
from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches *host*; a name we can't judge is not."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_half_address(host: str) -> bool:
    """Whether *host* ends in a number like an address, and isn't a whole one: 127.1."""
    with suppress(ValueError):
        return ip_address(host) is None
    return bool(re.search(r"(^|\.)(\d+|0x[\da-f]*)\.?$", host, re.IGNORECASE))
