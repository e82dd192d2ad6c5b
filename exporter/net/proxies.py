"""
Which proxy is between us and a URL, as HTTPS_PROXY, HTTP_PROXY and NO_PROXY say.

Pure: the variables come from the caller. ~/.netrc is nobody's business here.
"""

import base64
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network, ip_network

from yarl import URL

from exporter.net.hosts import is_half_address, is_loopback

ENTRY = re.compile(r"(\[.*\](?:/\d+)?|[^:]*)(?::(\d+))?")
NAME = re.compile(r"\.?[\w*-]+(\.[\w*-]+)*\.?")


class NoProxyError(ValueError):
    """NO_PROXY holds something that can't be understood."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where to connect instead, and as whom."""

    url: URL
    """Holds no user and no password."""
    authorization: str = field(default="", repr=False)


def proxy_for(url: str, variables: Mapping[str, str]) -> Proxy | None:
    """
    Return the proxy for *url*, None to connect to it directly.

    *variables* are those of `urllib.request.getproxies_environment`. This machine
    itself is never asked for through a proxy. Raises `NoProxyError`, and ValueError for
    a proxy that is none, without its text, which may hold a password.
    """
    target = URL(url)
    host = target.host or ""
    text = variables.get(target.scheme, "")
    if not text or is_loopback(host):
        return None
    entries = re.findall(r"[^,\s]+", variables.get("no", "").lower())
    if True in [_means(entry, target) for entry in entries]:  # all of them are read
        return None
    try:
        proxy = URL(text if "://" in text else f"http://{text}")
    except ValueError:
        raise ValueError("no URL") from None
    if proxy.scheme not in ("http", "https") or not proxy.host:
        raise ValueError("no http:// or https:// URL")
    if is_half_address(proxy.raw_host or ""):
        raise ValueError("no URL with a name or a whole IP address")
    return Proxy(proxy.origin(), _authorization(proxy))


def _means(entry: str, target: URL) -> bool:
    """
    Return whether *entry* of NO_PROXY, in lower case, means the host of *target*.

    That is an address, a network, or a name with all below it; `*` stands for any text,
    and a port may follow. Raises `NoProxyError`.
    """
    found = ENTRY.fullmatch(entry)  # no colons but those of an address without port
    name, port = found.groups() if found else (entry, None)
    hosts = [(host or "").rstrip(".") for host in (target.host, target.raw_host)]
    if network := _network(re.sub(r"[][]", "", name)):
        address = _network(hosts[0])
        means = address is not None and address[0] in network
    elif NAME.fullmatch(name) and not is_half_address(name):
        bare = name.strip(".")
        globs = [name] if "*" in name else [bare, f"*.{bare}"]
        means = any(fnmatchcase(host, glob) for host in hosts for glob in globs)
    else:
        raise NoProxyError(entry)
    return means and port in (None, str(target.port))


def _network(text: str) -> IPv4Network | IPv6Network | None:
    with suppress(ValueError):
        return ip_network(text, strict=False)
    return None


def _authorization(proxy: URL) -> str:
    if proxy.user is None and proxy.password is None:
        return ""
    user = f"{proxy.user or ''}:{proxy.password or ''}".encode()
    return "Basic " + base64.b64encode(user).decode()
