"""TLS contexts, and the reasons why a connection fails."""

import hashlib
import os
import re
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path


class PemError(ValueError):
    """The content of the PEM file of a *setting* is wrong."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(f"{setting} {problem}")
        self.setting, self.problem = setting, problem


@dataclass(frozen=True, slots=True)
class Tls:
    """A context for new connections; equal if the files have equal content."""

    fingerprint: bytes
    context: ssl.SSLContext = field(compare=False, repr=False)


def tls_of(tls_ca_path: str, tls_cert_path: str, tls_key_path: str) -> Tls:
    """
    Return the context of these PEM files; an empty path means no file.

    The arguments have the names of the settings. The key may be in the certificate's
    file. Raises OSError if a file can't be read, and `PemError`.
    """
    read = hashlib.sha256()
    for path in (tls_ca_path, tls_cert_path, tls_key_path):
        read.update(Path(path).read_bytes() if path else b"")
        read.update(b"\0")
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # On by default since Python 3.13; it refuses authorities without key identifiers.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["http/1.1"])
    if tls_ca_path:
        try:
            context.load_verify_locations(tls_ca_path)
        except ssl.SSLError:
            raise PemError("tls_ca_path", "names a file without certificates") from None
    if tls_cert_path:
        _load_own(context, tls_cert_path, tls_key_path)
    return Tls(read.digest(), context)


def _load_own(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        # Without a password OpenSSL would ask the terminal for one.
        context.load_cert_chain(certificate, key or None, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            other = "holds the key of another certificate"
            raise PemError("tls_key_path", other) from None
        missing = "names a file without a certificate and a usable key (no password)"
        raise PemError("tls_cert_path", missing) from None


HUNG_UP = "the peer hung up during the TLS handshake"
NO_CIPHER = "the peer accepts no cipher suite"
REASONS = {
    "alert: protocol version": "the peer refuses the TLS version",
    "alert: handshake failure": f"{NO_CIPHER}, or needs a certificate",
    "alert: insufficient security": NO_CIPHER,
    "alert: unrecognized name": "the peer doesn't serve this host name",
    "alert: certificate required": "the peer needs a certificate",
    "unsupported protocol": "the peer supports no TLS version from 1.2 on",
    "unexpected eof while reading": HUNG_UP,
    "wrong version number": "the peer doesn't speak TLS on this port",
}
"""The meaning of failures that a wrong setup causes; the peer sends the alerts."""


def tls_reason_of(error: OSError) -> str:
    """Return why TLS failed, or "" if *error* isn't about TLS."""
    found = re.search(r"\[SSL: (\w+)\]", f"{error.strerror or error}")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return HUNG_UP
    if not found and not isinstance(error, ssl.SSLError):
        return ""
    name = found[1].lower().replace("_", " ") if found else "no reason is known"
    if alert := re.fullmatch("(?:tlsv1|tlsv13|sslv3) (?:alert )?(.*)", name):
        name = f"alert: {alert[1]}"
        return f"{REASONS.get(name, 'the peer ends the connection')} ({name})"
    return REASONS.get(name, f"TLS fails: {name}")


def reason_of(error: Exception) -> str:
    """Return why a connection failed before HTTP began, or else the error's text."""
    if not isinstance(error, OSError):
        return f"{error}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if reason := tls_reason_of(error):
        return reason
    if error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return error.strerror or f"{error}" or "the peer hung up"
