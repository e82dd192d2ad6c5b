"""What we check of others' certificates, and the certificate we show."""

import hashlib
import ssl
from dataclasses import dataclass, field
from pathlib import Path


class PemError(ValueError):
    """A file that can be read isn't what it should be."""

    def __init__(self, setting: str, wrong: str, right: str) -> None:
        """Say what is *wrong* with the file of *setting*, and what would be *right*."""
        super().__init__(f"{setting} {wrong}, must be {right}")
        self.setting = setting
        self.wrong = wrong
        self.right = right


@dataclass(frozen=True, slots=True)
class Tls:
    """A context for new connections; equal to others from files of equal content."""

    fingerprint: bytes
    context: ssl.SSLContext = field(compare=False, repr=False)


def tls_of(tls_ca_path: str, tls_cert_path: str, tls_key_path: str) -> Tls:
    """
    Return what the PEM files say; an empty path says nothing.

    Arguments are named after the settings. The key may be in the certificate's file.
    Raises OSError for a file that can't be read, and `PemError`.
    """
    read = hashlib.sha256()
    for path in (tls_ca_path, tls_cert_path, tls_key_path):
        read.update(Path(path).read_bytes() if path else b"")
        read.update(b"\0")
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if tls_ca_path:
        try:
            context.load_verify_locations(tls_ca_path)
        except ssl.SSLError:
            raise PemError(
                "tls_ca_path", "names a file without certificates", "a PEM file"
            ) from None
    if tls_cert_path:
        _show(context, tls_cert_path, tls_key_path)
    return Tls(read.digest(), context)


def _show(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        # Without a password OpenSSL would ask the terminal for one.
        context.load_cert_chain(certificate, key or None, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise PemError(
                "tls_key_path", "holds the key of another certificate", "its own"
            ) from None
        raise PemError(
            "tls_cert_path",
            "names no certificate with a key we can use",
            "PEM files, the key without password",
        ) from None
