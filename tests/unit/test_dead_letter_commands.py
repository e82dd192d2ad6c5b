"""`dead-letters` checks its command line, and explains its errors."""

import asyncio
import json

import pytest

from devkit.backend import HANG, Answer, Stub
from exporter import cli
from exporter.admin import guard
from exporter.commands import client
from exporter.net.listening import address
from exporter.spool.lock import locked


@pytest.fixture
def spool_dir(monkeypatch, tmp_path):
    """Configure a backend, and return the spool's directory."""
    monkeypatch.setenv("APP_INTEGRATIONS_URL", "http://127.0.0.1:9/events")
    monkeypatch.setenv("APP_INTEGRATIONS_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.setenv("APP_INTEGRATIONS_ADMIN_PORT", "9")
    return tmp_path / "spool"


@pytest.fixture
def held(spool_dir):
    """Hold the spool, as a service would, with a token; return its directory."""
    spool_dir.mkdir()
    with locked(spool_dir):
        guard.issue(spool_dir)
        yield spool_dir


@pytest.fixture
def failing(spool_dir, capsys):  # noqa: ARG001 -- the command looks there
    """Return a function that runs a command that fails, and returns its error."""

    def run(*argv):
        assert cli.main(["dead-letters", *argv]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("app-integrations-exporter: ")
        return err

    return run


@pytest.mark.parametrize(
    "argv, why",
    [
        ([], "COMMAND"),
        (["show"], "ID"),
        (["show", "0"], "must be a whole number from 1"),
        (["show", "1e3"], "must be a whole number from 1"),
        (["show", "9223372036854775808"], "must be a whole number from 1"),
        (["list", "--status", "4xx"], "must be a whole number from 1"),
        (["list", "--backend", "\udcff"], "argument --backend: must be"),
        (["list", "--backend", ""], "argument --backend: must be"),
        (["retry"], "one of the arguments ID --all is required"),
        (["retry", "1", "--all"], "not allowed with argument"),
        (["drop"], "ID"),
        (["drop", "--all"], "ID"),
    ],
)
def test_wrong_arguments(argv, why, capsys):
    """A command line that is incomplete or ambiguous does nothing: status 2."""
    with pytest.raises(SystemExit) as left:
        cli.main(["dead-letters", *argv])

    assert left.value.code == 2
    assert why in capsys.readouterr().err


def test_no_spool(spool_dir, failing, monkeypatch):
    """A command never creates a spool: the directory is probably wrong."""
    error = failing("list")
    monkeypatch.delenv("APP_INTEGRATIONS_URL")
    without_backend = failing("list")

    assert f"There is no spool in {spool_dir}" in error
    assert "app-integrations-exporter check`" in error
    assert "The exporter is off here: no backend is configured" in without_backend
    assert not spool_dir.exists()
    spool_dir.write_text("")
    assert "can't be opened" in failing("list")


def test_a_service_is_faster(held, failing, monkeypatch):
    """If a service takes the spool just before the command, it is asked instead."""
    (held / "spool.sqlite").touch()
    monkeypatch.setattr(client, "is_locked", lambda _: False)

    error = failing("list")

    assert "http://127.0.0.1:9 can't be asked: Connection refused" in error
    assert "Set APP_INTEGRATIONS_ADMIN_HOST and APP_INTEGRATIONS_ADMIN_PORT" in error


def test_token(held, failing):
    """A token that can't be read is an error with its path."""
    token = held / "admin.token"
    token.unlink()

    assert f"{token}, can't be read: No such file" in failing("list")


@pytest.fixture
async def another(held, monkeypatch):  # noqa: ARG001 -- there has to be a service
    """Return a server that answers at the admin port instead of the service."""
    async with Stub() as stub:
        monkeypatch.setenv("APP_INTEGRATIONS_ADMIN_PORT", str(stub.port))
        yield stub


@pytest.mark.parametrize(
    "answer, why",
    [
        (Answer(200, body=b"<html>"), "answers 200, but not like an exporter"),
        (Answer(404, body=b"<html>"), "answers 404, but not like an exporter"),
        (Answer(500, body=b"[]"), "answers 500, but not like an exporter"),
        (Answer(503, body=b'{"error":"disk\\u001b. A"}'), "exporter: disk\\x1b. A\n"),
        (Answer(503, body=b'{"error":"disk"}'), "disk. See the log of the service"),
        (HANG, "can't be asked: no answer in time"),
    ],
)
async def test_answers(another, failing, monkeypatch, answer, why):
    """An answer of another server is an error that explains the problem."""
    monkeypatch.setattr(client, "ANSWER_SECONDS", 0.05 if answer is HANG else 10)
    another.answer = answer

    assert why in await asyncio.to_thread(failing, "retry", "--all")


async def test_many_ids(another, capsys):
    """A message names the first ids of many, and counts the others."""
    answer = {"retried": 0, "never_events": 5000, "never_event_ids": [*range(1000)]}
    answer |= {"of_no_backend": 0, "unknown": []}
    another.answer = Answer(200, body=json.dumps(answer).encode())

    await asyncio.to_thread(cli.main, ["dead-letters", "retry", "--all"])

    assert "18, 19 and 4980 more never became an event" in capsys.readouterr().err


@pytest.mark.parametrize(
    "host, reached",
    [
        ("0.0.0.0", "http://127.0.0.1:9281"),  # noqa: S104 - what is tested
        ("::", "http://[::1]:9281"),
        ("fe80::1", "http://[fe80::1]:9281"),
        ("exporter.internal", "http://exporter.internal:9281"),
    ],
)
def test_where_a_service_is_reached(host, reached):
    """A server that listens on any address is reached on the loopback address."""
    assert str(address(host, 9281)) == reached
