"""
The proxy for a URL, from HTTPS_PROXY, HTTP_PROXY and NO_PROXY.

Pure: the variables come from the caller. ~/.netrc is not read.
"""

import base64
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network, ip_network

from yarl import URL

from exporter.net.hosts import http_url, is_half_address, is_loopback

ENTRY = re.compile(r"(\[.*\](?:/\d+)?|[^:]*)(?::(\d+))?")
NAME = re.compile(r"\.?[\w*-]+(\.[\w*-]+)*\.?")


class NoProxyError(ValueError):
    """NO_PROXY has an entry that isn't valid."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """The address and the credentials of a proxy."""

    url: URL
    """Without user and password."""
    authorization: str = field(default="", repr=False)


def proxy_for(url: str, variables: Mapping[str, str]) -> Proxy | None:
    """
    Return the proxy for *url*, or None to connect directly, as always to this machine.

    *variables* come from `urllib.request.getproxies_environment`. Raises NoProxyError,
    and ValueError for a wrong proxy.
    """
    target = URL(url)
    text = variables.get(target.scheme, "")
    if not text or is_loopback(target.host or ""):
        return None
    entries = re.findall(r"[^,\s]+", variables.get("no", "").lower())
    if True in [_matches(entry, target) for entry in entries]:  # checks all entries
        return None
    proxy = http_url(text if "://" in text else f"http://{text}")
    if not proxy:
        raise ValueError("not a URL")
    user = f"{proxy.user or ''}:{proxy.password or ''}".encode()
    authorization = "Basic " + base64.b64encode(user).decode() if user != b":" else ""
    return Proxy(proxy.origin(), authorization)


def _matches(entry: str, target: URL) -> bool:
    """
    Whether *entry* of NO_PROXY, in lower case, matches the host of *target*.

    An entry is an address, a network, or a name, which also matches its subdomains. It
    may contain `*`, and a port may follow. Raises `NoProxyError`.
    """
    found = ENTRY.fullmatch(entry)  # no match: an IPv6 address without brackets
    name, port = found.groups() if found else (entry, None)
    hosts = [(host or "").rstrip(".") for host in (target.host, target.raw_host)]
    if network := _network(re.sub(r"[][]", "", name)):
        address = _network(hosts[0])
        matches = address is not None and address[0] in network
    elif NAME.fullmatch(name) and not is_half_address(name):
        bare = name.strip(".")
        globs = [name] if "*" in name else [bare, f"*.{bare}"]
        matches = any(fnmatchcase(host, glob) for host in hosts for glob in globs)
    else:
        raise NoProxyError(entry)
    return matches and port in (None, str(target.port))


def _network(text: str) -> IPv4Network | IPv6Network | None:
    with suppress(ValueError):
        return ip_network(text, strict=False)
    return None
