"""
Which proxy is between us and a URL, as HTTPS_PROXY, HTTP_PROXY and NO_PROXY say.

Pure: the variables come from the caller. ~/.netrc is nobody's business here.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib import request

from yarl import URL

from exporter.musts import is_loopback


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
    itself is never asked for through a proxy. Raises ValueError for a proxy that is
    none, without its text, which may hold a password.
    """
    target = URL(url)
    host = target.host or ""
    text = variables.get(target.scheme, "")
    if not text or is_loopback(host):
        return None
    # Like curl: names with and without a leading dot, with and without a port, or *.
    bypass = request.proxy_bypass_environment  # type: ignore[attr-defined]
    if bypass(f"{host}:{target.port}", dict(variables)):
        return None
    try:
        proxy = URL(text if "://" in text else f"http://{text}")
    except ValueError:
        raise ValueError("no URL") from None
    if proxy.scheme not in ("http", "https") or not proxy.host:
        raise ValueError("no http:// or https:// URL")
    return Proxy(proxy.origin(), _authorization(proxy))


def _authorization(proxy: URL) -> str:
    if proxy.user is None and proxy.password is None:
        return ""
    user = f"{proxy.user or ''}:{proxy.password or ''}".encode()
    return "Basic " + base64.b64encode(user).decode()
