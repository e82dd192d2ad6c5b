"""
The settings of credentials and transport, declared as `exporter.config.settings` says.

What is wrong between them is found here, too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from yarl import URL

from exporter.base.reread import Reread
from exporter.base.texts import headers_of, without_user
from exporter.config import musts
from exporter.config.declaration import PREFIX, MistakeError, Readable, setting
from exporter.config.musts import whole
from exporter.net.proxies import NoProxyError, proxy_for
from exporter.net.tls import PemError, Tls, tls_of

NEEDED = ("oauth_client_id", "oauth_client_secret", "oauth_authorization_server_url")
REFINED = ("oauth_audience", "oauth_scope", "oauth_resource")
PEM_FILES = ("tls_ca_path", "tls_cert_path", "tls_key_path")


@dataclass(frozen=True, kw_only=True)
class TransportSettings(Readable):
    """How we are known to the backend, and how it is reached."""

    headers: str = setting(
        "",
        musts.HEADERS,
        "More headers for every request to the backend, hidden like a credential.",
        secret=True,
    )
    organization_id: str = setting(
        "",
        musts.ORGANIZATION,
        "Sent as `X-Org-Id`; Camunda's own platform sets it. The text `null` counts as "
        "not set.",
        variable="CAMUNDA_CLOUD_ORGANIZATION_ID",
    )
    broker_cluster_id: str = setting(
        "",
        musts.ORGANIZATION,
        "Sent as `X-Cluster-Id` if `APP_INTEGRATIONS_CLUSTER_ID` isn't set. Brokers "
        "have this variable, and the image passes it on.",
        variable="ZEEBE_BROKER_CLUSTER_CLUSTERID",
    )
    signing_secrets: str = setting(
        "",
        musts.KEYS,
        "Every request is signed with each of these, as in Standard Webhooks.",
        secret=True,
    )
    oauth_authorization_server_url: str = setting(
        "",
        musts.POSTABLE,
        "Where tokens for the backend are fetched (OAuth2 client credentials), instead "
        "of an API key.",
        own=True,
    )
    oauth_client_id: str = setting(
        "", musts.CREDENTIAL, "Who fetches them: the id of a client.", own=True
    )
    oauth_client_secret: str = setting(
        "", musts.CREDENTIAL, "The secret of that client.", secret=True
    )
    oauth_audience: str = setting(
        "", musts.CREDENTIAL, "The audience to ask a token for.", own=True
    )
    oauth_scope: str = setting(
        "", musts.CREDENTIAL, "The scopes to ask for, separated by blanks.", own=True
    )
    oauth_resource: str = setting(
        "", musts.CREDENTIAL, "The resource to ask a token for.", own=True
    )
    oauth_connect_timeout_ms: int = setting(
        5000, whole(1), "How long connecting to that server may take."
    )
    oauth_read_timeout_ms: int = setting(
        5000, whole(1), "How long its answer may take after that."
    )
    tls_ca_path: str = setting(
        "",
        musts.PATH,
        "Certificates (PEM) of authorities that are trusted in addition to the "
        "system's.",
    )
    tls_cert_path: str = setting(
        "",
        musts.PATH,
        "The certificate (PEM) we show to a backend that asks for one.",
        own=True,
    )
    tls_key_path: str = setting(
        "",
        musts.PATH,
        "Its key (PEM, without password), unless that is in the same file.",
        own=True,
    )
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    """HTTPS_PROXY, HTTP_PROXY and NO_PROXY, as `proxy_for` takes them."""

    def tls(self) -> Reread[Tls]:
        """Return what TLS connections begin with, as the files have it from now on."""
        named = {name: getattr(self, name) for name in PEM_FILES}
        load = partial(tls_of, *named.values())
        paths = {name: Path(path) for name, path in named.items() if path}
        about = ", ".join(map(self.variable, paths))
        return Reread(load(), load, list(paths.values()), about)


def conflicts(values: Mapping[str, Any]) -> Iterator[MistakeError]:
    """Yield what is wrong between settings that are right by themselves."""
    for find in (_two_of_a_header, _half_of_oauth, _unusable_proxies, _unusable_files):
        yield from find(values)


def _half_of_oauth(values: Mapping[str, Any]) -> Iterator[MistakeError]:
    wanted = [name for name in (*NEEDED, *REFINED) if values.get(name)]
    if not wanted:
        return
    first = PREFIX + wanted[0].upper()
    for name in NEEDED:
        if values.get(name) == "":
            yield MistakeError(
                PREFIX + name.upper(), f"is not set, while {first} is", "set as well"
            )
    if values.get("api_key"):
        yield MistakeError(
            f"{PREFIX}API_KEY", f"and {first} are both set", "only one of them"
        )


def _unusable_files(values: Mapping[str, Any]) -> Iterator[MistakeError]:
    named = {name: values.get(name, "") for name in PEM_FILES}
    if not any(named.values()):
        return
    if named["tls_key_path"] and not named["tls_cert_path"]:
        yield MistakeError(
            f"{PREFIX}TLS_KEY_PATH",
            f"is set without {PREFIX}TLS_CERT_PATH",
            "beside its certificate",
        )
        return
    try:
        tls_of(**named)
    except PemError as error:
        yield MistakeError(PREFIX + error.setting.upper(), error.wrong, error.right)
    except (OSError, ValueError) as error:
        yield from _unreadable(named, error)


def _unreadable(
    named: Mapping[str, Any], error: OSError | ValueError
) -> Iterator[MistakeError]:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    for name, path in named.items():
        if path and path == getattr(error, "filename", path):
            yield MistakeError(
                PREFIX + name.upper(),
                f"is {path!r} ({reason})",
                "the path of a readable file",
            )


def _unusable_proxies(values: Mapping[str, Any]) -> Iterator[MistakeError]:
    for name in ("url", "oauth_authorization_server_url"):
        url = values.get(name, "")
        try:
            proxy_for(url, values.get("proxies", {}))
        except NoProxyError as error:
            right = "addresses, networks or names like *.example, each with or without "
            right += "a port, separated by commas"
            yield MistakeError("NO_PROXY", f"holds {without_user(f'{error}')!r}", right)
            return
        except ValueError as error:
            variable = f"{URL(url).scheme.upper()}_PROXY"
            yield MistakeError(variable, f"is {error}", "http://<host>:<port>")
            return  # most likely both go through the same


def _two_of_a_header(values: Mapping[str, Any]) -> Iterator[MistakeError]:
    names = [name.lower() for name in headers_of(values.get("headers", ""))]
    header = values.get("api_key_header", "")
    if values.get("api_key") and header.lower() in names:
        yield MistakeError(
            f"{PREFIX}HEADERS",
            f"names {header}, which carries {PREFIX}API_KEY",
            "without it",
        )
    if values.get("oauth_client_id") and "authorization" in names:
        yield MistakeError(
            f"{PREFIX}HEADERS",
            "names Authorization, which carries the token",
            "without it",
        )
