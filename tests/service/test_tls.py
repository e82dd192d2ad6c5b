"""Who is trusted, and who we say we are, comes from files, and follows them."""

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
from tests.service.certificates import authority_in, proof, write
from tests.unit.test_settings import mistakes

NO_KEY = "TLS_CERT_PATH names a file without a certificate and a usable key"


async def test_an_authority_of_our_own(start, tmp_path):
    """A backend with a certificate of the named authority gets its events."""
    authority, trusting = authority_in(tmp_path)
    async with Backend(tls=proof(authority)) as server:
        exporter = await start(url=server.url, **trusting)

        await exporter.bulk(tasks(1))

        await eventually(lambda: server.requests)
        await exporter.stop()
    assert exporter.lines.saying("batch not delivered") == []


async def test_the_system_is_trusted_as_well(connect, monkeypatch, tmp_path):
    """The named authority is one more, not the only one."""
    system, ours = trustme.CA(), trustme.CA()
    system.cert_pem.write_to_path(tmp_path / "system.pem")
    ours.cert_pem.write_to_path(tmp_path / "ours.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))

    answers = []
    for authority in (system, ours):
        async with Backend(tls=proof(authority)) as server:
            made = connect(url=server.url, tls_ca_path=str(tmp_path / "ours.pem"))
            async with made as backend:
                answers.append((await backend.post(empty())).status)

    assert answers == [200, 200]


async def test_an_authority_that_was_missing(start, tmp_path):
    """What a new authority in the file vouches for is delivered without a restart."""
    authority, other = trustme.CA(), trustme.CA()
    path = tmp_path / "ca.pem"
    other.cert_pem.write_to_path(path)
    async with Backend(tls=proof(authority)) as server:
        exporter = await start(url=server.url, tls_ca_path=str(path))
        await exporter.bulk(tasks(1))
        (line,) = await eventually(lambda: exporter.lines.saying("batch not delivered"))

        authority.cert_pem.write_to_path(path, append=True)

        await eventually(lambda: server.requests)
        await exporter.stop()
    assert line.outcome == "blocked"


async def test_a_client_certificate(connect, tmp_path):
    """A backend that wants to know who we are is shown our certificate."""
    authority, trusting = authority_in(tmp_path)
    clients = trustme.CA()
    shown = write(clients.issue_cert("exporter@example.com"), tmp_path)

    async with Backend(tls=proof(authority, clients=clients)) as server:
        answers = []
        for more in (shown, {}):
            made = connect(url=server.url, **trusting, **more)
            async with made as backend:
                answers.append((await backend.post(empty())).status)

    assert answers == [200, None]


async def test_a_renewed_client_certificate(connect, tmp_path):
    """A certificate that changes in its file is shown on new connections."""
    authority, trusting = authority_in(tmp_path)
    clients = trustme.CA()
    shown = write(trustme.CA().issue_cert("exporter@example.com"), tmp_path)

    async with Backend(tls=proof(authority, clients=clients)) as server:
        made = connect(url=server.url, **trusting, **shown)
        async with made as backend:
            before = await backend.post(empty())
            write(clients.issue_cert("exporter@example.com"), tmp_path)
            changed = [backend.credentials_changed() for _ in range(2)]
            after = await backend.post(empty())

    assert before.status is None
    assert changed == [True, False]
    assert after.status == 200


async def test_a_certificate_renewed_halfway(connect, tmp_path):
    """While key and certificate don't fit, the ones before are shown."""
    authority, trusting = authority_in(tmp_path)
    clients = trustme.CA()
    shown = write(clients.issue_cert("exporter@example.com"), tmp_path)

    async with Backend(tls=proof(authority, clients=clients)) as server:
        made = connect(url=server.url, **trusting, **shown)
        async with made as backend:
            await backend.post(empty())
            new = clients.issue_cert("exporter@example.com")
            new.private_key_pem.write_to_path(shown["tls_key_path"])
            halfway = await backend.post(empty())
            write(new, tmp_path)
            after = await backend.post(empty())

    assert (halfway.status, after.status) == (200, 200)


def test_tls_is_not_older_than_1_2(settings):
    """What is older than TLS 1.2 isn't spoken, whatever the system allows."""
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
    "files, said",
    [
        (
            {"CA": "text.pem"},
            "TLS_CA_PATH names a file without certificates",
        ),
        (
            {"CERT": "one.pem", "KEY": "other.key"},
            "TLS_KEY_PATH holds the key of another certificate",
        ),
        (
            {"CERT": "one.pem"},
            NO_KEY,
        ),
        (
            {"CERT": "one.pem", "KEY": "locked.key"},
            NO_KEY,
        ),
        (
            {"KEY": "one.key"},
            "TLS_KEY_PATH is set without TLS_CERT_PATH",
        ),
    ],
)
def test_files_that_do_not_fit(pem, files, said):
    """A mistake in certificates and keys is reported at the start."""
    named = {f"TLS_{name}_PATH": pem(file) for name, file in files.items()}

    (line,) = mistakes(**named)

    assert line.startswith(said)


def test_a_file_that_is_not_there(pem):
    """The one file of several that can't be read is named."""
    named = {"TLS_CERT_PATH": pem("one.pem"), "TLS_KEY_PATH": pem("missing")}

    (line,) = mistakes(**named)

    assert line.startswith(f"TLS_KEY_PATH is '{pem('missing')}' (No such file or dir")


def test_certificate_and_key_in_one_file(pem, settings):
    """The key may stand behind its certificate."""
    path = Path(pem("both.pem"))
    path.write_bytes(
        Path(pem("one.pem")).read_bytes() + Path(pem("one.key")).read_bytes()
    )

    assert only_backend(settings(tls_cert_path=str(path))).tls().current()
