"""Settings of one backend that can be used by themselves, and not together."""

from collections.abc import Iterator
from pathlib import Path

from yarl import URL

from exporter.base.texts import headers_of, without_user
from exporter.config.backend import PEM_FILES, BackendSettings
from exporter.net.proxies import NoProxyError, proxy_for
from exporter.net.tls import PemError, tls_of

NEEDED = ("oauth_client_id", "oauth_client_secret", "oauth_authorization_server_url")
OPTIONAL = ("oauth_audience", "oauth_scope", "oauth_resource")


def conflicts(settings: BackendSettings) -> Iterator[str]:
    """Yield a sentence for each conflict in *settings*."""
    for find in (_headers, _oauth, _proxies, _pem_files):
        yield from find(settings)


def _headers(settings: BackendSettings) -> Iterator[str]:
    found = [name.lower() for name in headers_of(settings.headers)]
    for credential, name in (
        ("api_key", settings.api_key_header),
        ("oauth_client_id", "Authorization"),
    ):
        if getattr(settings, credential) and name.lower() in found:
            carried = f"which carries the credential of {settings.variable(credential)}"
            variable = settings.variable("headers")
            yield f"{variable} has {name}, {carried}; remove that header"


def _oauth(settings: BackendSettings) -> Iterator[str]:
    found = [name for name in NEEDED + OPTIONAL if getattr(settings, name)]
    if not found:
        return
    first = settings.variable(found[0])
    for name in (each for each in NEEDED if each not in found):
        variable = settings.variable(name)
        yield f"{variable} is not set, while {first} is; set both"
    if settings.api_key:
        key = settings.variable("api_key")
        yield f"{key} and {first} are both set; remove one of them"


def _pem_files(settings: BackendSettings) -> Iterator[str]:
    if settings.tls_key_path and not settings.tls_cert_path:
        key, certificate = map(settings.variable, ("tls_key_path", "tls_cert_path"))
        yield f"{key} is set without {certificate}; name its certificate as well"
        return
    paths = {name: getattr(settings, name) for name in PEM_FILES}
    try:
        if any(paths.values()):
            tls_of(**paths)
    except PemError as error:
        yield f"{settings.variable(error.setting)} {error.problem}"
    except OSError as error:
        right = "it must be the path of a readable file"
        for name, path in paths.items():
            if path and Path(path) == Path(error.filename or path):
                variable = settings.variable(name)
                yield f"{variable} is {path!r} ({error.strerror}); {right}"


def _proxies(settings: BackendSettings) -> Iterator[str]:
    for url in (settings.url, settings.oauth_authorization_server_url):
        try:
            proxy_for(url, settings.proxies)
        except NoProxyError as error:
            shown = repr(without_user(f"{error}"))
            right = "addresses, networks or names like *.example, with or without port"
            yield f"NO_PROXY holds {shown}; it must be a list of {right}"
        except ValueError:
            variable = f"{URL(url).scheme.upper()}_PROXY"
            yield f"{variable} can't be used; it must be like http://<host>:<port>"
