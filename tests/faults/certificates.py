"""Two authorities, each with a certificate for the loopback."""

import ssl
from pathlib import Path
from typing import NamedTuple

import trustme

from exporter.demo.ports import LOOPBACK


class Proof(NamedTuple):
    """What a server proves itself with, and the file that lets a client believe it."""

    context: ssl.SSLContext
    authority: Path


def certificates(directory: Path) -> tuple[Proof, Proof]:
    """Return two proofs; who believes in one doesn't believe in the other."""
    return _proof(directory / "right.pem"), _proof(directory / "wrong.pem")


def _proof(file: Path) -> Proof:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(LOOPBACK).configure_cert(context)
    authority.cert_pem.write_to_path(str(file))
    return Proof(context, file)
