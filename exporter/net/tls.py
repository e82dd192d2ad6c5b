"""TLS contexts, and the reasons why a connection fails."""

import hashlib
import os
import re
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path


class PemError(ValueError):
    """The content of a PEM file is wrong."""

    def __init__(self, setting: str, wrong: str, right: str) -> None:
        """Name the *setting*, what is *wrong*, and what would be *right*."""
        super().__init__(f"{setting} {wrong}, must be {right}")
        self.setting = setting
        self.wrong = wrong
        self.right = right


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
            raise PemError(
                "tls_ca_path", "names a file without certificates", "a PEM file"
            ) from None
    if tls_cert_path:
        _load_own(context, tls_cert_path, tls_key_path)
    return Tls(read.digest(), context)


def _load_own(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        # Without a password OpenSSL would ask the terminal for one.
        context.load_cert_chain(certificate, key or None, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise PemError(
                "tls_key_path",
                "holds the key of another certificate",
                "the key of this certificate",
            ) from None
        raise PemError(
            "tls_cert_path",
            "names a file without a certificate and a usable key",
            "PEM files, the key without password",
        ) from None


ALERT = re.compile(r"(?:TLSV1|TLSV13|SSLV3)_(?:ALERT_)?(\w+)")
ALERTS = {
    "protocol version": "the peer refuses the TLS version",
    "handshake failure": "the peer accepts no cipher suite, or needs a certificate",
    "insufficient security": "the peer accepts no cipher suite",
    "unrecognized name": "the peer doesn't serve this host name",
    "certificate required": "the peer needs a certificate",
}
"""The meaning of alerts that a wrong setup causes."""
HUNG_UP = "the peer hung up during the TLS handshake"
OURS = {
    "UNSUPPORTED_PROTOCOL": "the peer supports no TLS version from 1.2 on",
    "UNEXPECTED_EOF_WHILE_READING": HUNG_UP,
    "WRONG_VERSION_NUMBER": "the peer doesn't speak TLS on this port",
}


def tls_reason_of(error: OSError) -> str:
    """Return why TLS failed, or "" if *error* isn't about TLS."""
    found = re.search(r"\[SSL: (\w+)\]", f"{error.strerror or error}")
    name = found[1] if found else ""
    if alert := ALERT.fullmatch(name):
        words = alert[1].lower().replace("_", " ")
        return f"{ALERTS.get(words, 'the peer ends the connection')} (alert: {words})"
    if name or isinstance(error, ssl.SSLError):
        fallback = name.lower().replace("_", " ") or "no reason is known"
        is_end = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
        return HUNG_UP if is_end else OURS.get(name, f"TLS fails: {fallback}")
    return ""


def reason_of(error: OSError) -> str:
    """Return why a connection failed before HTTP began."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if reason := tls_reason_of(error):
        return reason
    if error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return error.strerror or f"{error}" or "the peer hung up"
