"""
Settings that can be used by themselves, and not together.

Each function takes the values and the variables by the settings' names, and yields
sentences.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from yarl import URL

from exporter.base.texts import headers_of, without_user
from exporter.net.hosts import is_loopback
from exporter.net.proxies import NoProxyError, proxy_for
from exporter.net.tls import PemError, tls_of

PEM_FILES = ("tls_ca_path", "tls_cert_path", "tls_key_path")
NEEDED = ("oauth_client_id", "oauth_client_secret", "oauth_authorization_server_url")
OPTIONAL = ("oauth_audience", "oauth_scope", "oauth_resource")

Values = Mapping[str, Any]
Names = Mapping[str, str]


def backend_conflicts(values: Values, names: Names) -> Iterator[str]:
    """Find conflicts among the settings of one backend."""
    for find in (_headers, _oauth, _proxies, _pem_files):
        yield from find(values, names)


def service_conflicts(values: Values, names: Names) -> Iterator[str]:
    """Find conflicts among the settings of the service."""
    port, host = values.get("admin_port"), values.get("ingest_host", "localhost")
    if port and port == values.get("ingest_port"):
        like = f"is {port}, like {names['ingest_port']}"
        yield f"{names['admin_port']} {like}; give each a port of its own"
    if not {"ingest_username", "ingest_password"} <= values.keys():
        return
    user, password = names["ingest_username"], names["ingest_password"]
    if bool(values["ingest_username"]) != bool(values["ingest_password"]):
        yield f"{user} and {password} belong together; set both, or neither"
    elif not values["ingest_username"] and not is_loopback(host):
        reached = f"is {host!r}, which others can reach"
        yield (
            f"{names['ingest_host']} {reached}; set {user} and {password}, or use "
            "127.0.0.1"
        )


def _headers(values: Values, names: Names) -> Iterator[str]:
    found = [name.lower() for name in headers_of(values.get("headers", ""))]
    header = values.get("api_key_header", "")
    for credential, name in (("api_key", header), ("oauth_client_id", "Authorization")):
        if values.get(credential) and name.lower() in found:
            carried = f"{name}, which carries the credential of {names[credential]}"
            yield f"{names['headers']} has {carried}; remove that header"


def _oauth(values: Values, names: Names) -> Iterator[str]:
    first = next((name for name in NEEDED + OPTIONAL if values.get(name)), None)
    if first is None:
        return
    for name in NEEDED:
        if values.get(name) == "":
            yield f"{names[name]} is not set, while {names[first]} is; set both"
    if values.get("api_key"):
        yield f"{names['api_key']} and {names[first]} are both set; remove one of them"


def _pem_files(values: Values, names: Names) -> Iterator[str]:
    paths = {name: values.get(name, "") for name in PEM_FILES}
    if paths["tls_key_path"] and not paths["tls_cert_path"]:
        key, certificate = names["tls_key_path"], names["tls_cert_path"]
        yield f"{key} is set without {certificate}; name its certificate as well"
        return
    try:
        if any(paths.values()):
            tls_of(**paths)
    except PemError as error:
        yield f"{names[error.setting]} {error.problem}"
    except OSError as error:
        right = "it must be the path of a readable file"
        for name, path in paths.items():
            if path and Path(path) == Path(error.filename or path):
                yield f"{names[name]} is {path!r} ({error.strerror}); {right}"


def _proxies(values: Values, _: Names) -> Iterator[str]:
    for name in ("url", "oauth_authorization_server_url"):
        url = values.get(name, "")
        try:
            proxy_for(url, values.get("proxies", {}))
        except NoProxyError as error:
            shown = repr(without_user(f"{error}"))
            right = "addresses, networks or names like *.example, with or without port"
            yield f"NO_PROXY holds {shown}; it must be a list of {right}"
        except ValueError:
            variable = f"{URL(url).scheme.upper()}_PROXY"
            yield f"{variable} can't be used; it must be like http://<host>:<port>"
