"""Trust and our own certificate come from files, and follow their changes."""

import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from devkit.backend import Backend
from devkit.waiting import eventually
from exporter.delivery import empty
from tests.configured import only_backend
from tests.records import tasks
from tests.service.certificates import (
    authority_in,
    connected,
    proof,
    status_of,
    write,
)
from tests.unit.test_settings import mistakes

NO_KEY = "TLS_CERT_PATH names a file without a certificate and a usable key"
NAME = "exporter@example.com"


async def test_the_system_is_trusted_as_well(connect, monkeypatch, tmp_path):
    """The authority in the settings is added to those of the system."""
    ours, trusting = authority_in(tmp_path)
    system = trustme.CA()
    system.cert_pem.write_to_path(tmp_path / "system.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))

    for authority in (system, ours):
        assert await status_of(connect, proof(authority), **trusting) == 200


async def test_an_authority_that_was_missing(start, tmp_path):
    """A new authority in the file is trusted without a restart."""
    authority, (_, trusting) = trustme.CA(), authority_in(tmp_path)
    async with Backend(tls=proof(authority)) as server:
        exporter = await start(url=server.url, **trusting)
        await exporter.bulk(tasks(1))
        trouble = await exporter.trouble()
        before = list(server.requests)

        authority.cert_pem.write_to_path(trusting["tls_ca_path"], append=True)

        await eventually(lambda: server.requests)
        await exporter.stop()
    assert before == []
    assert (trouble.levelname, trouble.outcome) == ("ERROR", "blocked")
    assert "certificate" in trouble.reason
    assert "APP_INTEGRATIONS_TLS_CA_PATH" in trouble.remedy


async def test_a_renewed_client_certificate(connect, tmp_path):
    """A backend gets our certificate, which is replaced as soon as its key fits."""
    authority, trusting = authority_in(tmp_path)
    clients = trustme.CA()
    ours = write(trustme.CA().issue_cert(NAME), tmp_path)
    context = proof(authority, clients=clients)

    async with connected(connect, context, **trusting, **ours) as backend:
        before = await backend.post(empty())
        write(clients.issue_cert(NAME), tmp_path)
        assert backend.credentials_changed()
        assert not backend.credentials_changed()
        after = await backend.post(empty())
        other = trustme.CA().issue_cert(NAME)
        other.private_key_pem.write_to_path(ours["tls_key_path"])
        assert not backend.credentials_changed()
        halfway = await backend.post(empty())

    assert (before.status, after.status, halfway.status) == (None, 200, 200)


def test_tls_is_not_older_than_1_2(settings):
    """Versions before TLS 1.2 aren't used, whatever the system allows."""
    context = only_backend(settings()).tls().current().context

    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.fixture
def pem(tmp_path):
    """Return paths of PEM files, good and bad, by name."""
    one, other = trustme.CA().issue_cert("a@b.example"), trustme.CA()
    write(one, tmp_path, "one")
    write(other.issue_cert("a@b.example"), tmp_path, "other")
    key = serialization.load_pem_private_key(one.private_key_pem.bytes(), None)
    (tmp_path / "locked.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hunter2"),
        )
    )
    (tmp_path / "text.pem").write_text("no certificate", encoding="utf-8")
    return lambda name: str(tmp_path / name)


@pytest.mark.parametrize(
    "files, mistake",
    [
        ({"CA": "text.pem"}, "TLS_CA_PATH names a file without certificates"),
        (
            {"CERT": "one.pem", "KEY": "other.key"},
            "TLS_KEY_PATH holds the key of another certificate",
        ),
        ({"CERT": "one.pem"}, NO_KEY),
        ({"CERT": "one.pem", "KEY": "locked.key"}, NO_KEY),
        ({"KEY": "one.key"}, "TLS_KEY_PATH is set without TLS_CERT_PATH"),
        ({"CERT": "one.pem", "KEY": "missing"}, "TLS_KEY_PATH is '"),
    ],
)
def test_files_that_do_not_fit(pem, files, mistake):
    """A mistake in certificates and keys is reported at the start."""
    named = {f"TLS_{name}_PATH": pem(file) for name, file in files.items()}

    (line,) = mistakes(**named)

    assert line.startswith(mistake)


def test_certificate_and_key_in_one_file(pem, settings):
    """The key may follow its certificate."""
    path = Path(pem("both.pem"))
    path.write_bytes(
        Path(pem("one.pem")).read_bytes() + Path(pem("one.key")).read_bytes()
    )

    assert only_backend(settings(tls_cert_path=str(path))).tls().current()
