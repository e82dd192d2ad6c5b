"""`dead-letters` checks its command line, and explains its errors."""

import asyncio
import stat

import pytest

from devkit.backend import HANG, Answer, Stub
from exporter import cli
from exporter.admin import guard
from exporter.commands.dead_letter_export import ExportError, counted, target
from exporter.commands.dead_letters import named
from exporter.net.listening import address
from exporter.spool.lock import locked
from tests.conftest import careless


@pytest.fixture(autouse=True)
def spool_dir(monkeypatch, tmp_path):
    """Configure a backend, and return the spool's directory."""
    monkeypatch.setenv("APP_INTEGRATIONS_URL", "http://127.0.0.1:9/events")
    monkeypatch.setenv("APP_INTEGRATIONS_SPOOL_DIR", str(tmp_path / "spool"))
    return tmp_path / "spool"


@pytest.fixture
def held(spool_dir):
    """Hold the spool, as a service would, with a token; return its directory."""
    spool_dir.mkdir()
    with locked(spool_dir):
        guard.issue(spool_dir)
        yield spool_dir


@pytest.mark.parametrize(
    "argv, why",
    [
        ([], "COMMAND"),
        (["show"], "ID"),
        (["show", "0"], "'0' isn't a whole number"),
        (["show", "1e3"], "'1e3' isn't a whole number"),
        (["show", "9223372036854775808"], "isn't a whole number"),
        (["list", "--limit", "-1"], "isn't a whole number"),
        (["list", "--status", "4xx"], "'4xx' isn't a whole number"),
        (["retry"], "either ids or --all"),
        (["retry", "--json"], "either ids or --all"),
        (["retry", "1", "--all"], "either ids or --all"),
        (["retry", "1", "--status", "422"], "--status needs --all"),
        (["retry", "1", "--backend", "teams"], "--backend needs --all"),
        (["retry", "--all", "--backend", "\udcff"], "isn't a backend's name"),
        (["list", "--backend", ""], "isn't a backend's name"),
        (["drop"], "ID"),
        (["drop", "--all"], "ID"),
        (["export"], "FILE"),
    ],
)
def test_what_can_not_be_meant(argv, why, capsys):
    """A command line that is incomplete or ambiguous does nothing: status 2."""
    with pytest.raises(SystemExit) as left:
        cli.main(["dead-letters", *argv])

    assert left.value.code == 2
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["list"], ["show"], ["retry"], ["drop"]])
def test_help_helps(argv, capsys):
    """Each command has its own help, and the first one has examples."""
    with pytest.raises(SystemExit) as left:
        cli.main(["dead-letters", *argv, "--help"])

    said = capsys.readouterr().out
    assert left.value.code == 0
    assert ("examples:" if not argv else "ID" if argv != ["list"] else "NAME") in said


def failing(capsys, *argv):
    """Run a command that fails; return its error."""
    assert cli.main(["dead-letters", *argv]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("app-integrations-exporter: ")
    return err


def test_no_spool(spool_dir, capsys, monkeypatch):
    """A command never creates a spool: the directory is probably wrong."""
    assert f"There is no spool in {spool_dir}" in failing(capsys, "list")
    monkeypatch.setenv("APP_INTEGRATIONS_URL", "http://backend.example")
    assert "app-integrations-exporter check`" in failing(capsys, "list")
    monkeypatch.delenv("APP_INTEGRATIONS_URL")
    off = "The exporter is off here: no backend is configured"
    assert off in failing(capsys, "list")
    assert not spool_dir.exists()


def test_a_place_that_is_no_directory(spool_dir, capsys):
    """A file instead of the directory is an error, not a traceback."""
    spool_dir.write_text("")

    assert "can't be opened" in failing(capsys, "list")


@pytest.mark.usefixtures("held")
def test_nobody_answers(monkeypatch, capsys):
    """A service that can't be reached is an error with its address."""
    monkeypatch.setenv("APP_INTEGRATIONS_ADMIN_PORT", "9")

    said = failing(capsys, "list")

    assert "http://127.0.0.1:9 can't be connected to" in said
    assert "Set APP_INTEGRATIONS_ADMIN_HOST and APP_INTEGRATIONS_ADMIN_PORT" in said


def test_somebody_is_faster(held, monkeypatch, capsys):
    """If a service takes the spool just before the command, it is asked instead."""
    (held / "spool.sqlite").touch()
    monkeypatch.setattr("exporter.commands.client.is_locked", lambda _: False)
    monkeypatch.setenv("APP_INTEGRATIONS_ADMIN_PORT", "9")

    assert "http://127.0.0.1:9 can't be connected to" in failing(capsys, "list")


@pytest.mark.usefixtures("held")
def test_any_port(monkeypatch, capsys):
    """Port 0 means any port: only the service's log shows which."""
    monkeypatch.setenv("APP_INTEGRATIONS_ADMIN_PORT", "0")

    assert 'the line "ready"' in failing(capsys, "list")


def test_no_token(held, capsys):
    """A token that can't be read is an error with its path."""
    token = held / "admin.token"
    token.unlink()
    absent = failing(capsys, "list")
    token.mkdir()
    unreadable = failing(capsys, "list")
    token.rmdir()
    token.write_bytes(b"\xff")
    garbled = failing(capsys, "list")

    assert f"{token}, can't be read: No such file" in absent
    assert "Is a directory" in unreadable
    assert "not a token" in garbled


@pytest.fixture
async def another(held, monkeypatch):  # noqa: ARG001 -- there has to be a service
    """Return a server that answers at the admin port instead of the service."""
    async with Stub() as stub:
        monkeypatch.setenv("APP_INTEGRATIONS_ADMIN_PORT", str(stub.port))
        yield stub


@pytest.mark.parametrize(
    "answer, why",
    [
        ((200, b"<html>"), "answers 200, but not like an exporter"),
        ((404, b"<html>"), "answers 404, but not like an exporter"),
        ((500, b"[]"), "answers 500, but not like an exporter"),
        ((401, b""), "rejects the token"),
        ((503, b'{"error":"disk\\u001b"}'), "The admin port answers 503. disk\\x1b"),
    ],
)
async def test_somebody_else_answers(another, capsys, answer, why):
    """An answer of another server is an error that explains the problem."""
    status, body = answer
    another.answer = Answer(status, body=body)

    assert why in await asyncio.to_thread(failing, capsys, "list")


async def test_nobody_comes_back(another, monkeypatch, capsys):
    """A service that takes too long is an error; it may still finish."""
    monkeypatch.setattr("exporter.commands.client.ANSWER_SECONDS", 0.05)
    another.answer = HANG

    said = await asyncio.to_thread(failing, capsys, "retry", "--all")

    assert f"127.0.0.1:{another.port} doesn't answer" in said
    assert "may still take effect" in said


@pytest.mark.parametrize(
    "host, reached",
    [
        ("0.0.0.0", "http://127.0.0.1:9281"),  # noqa: S104 - what is tested
        ("::", "http://[::1]:9281"),
        ("10.0.0.7", "http://10.0.0.7:9281"),
        ("fe80::1", "http://[fe80::1]:9281"),
        ("exporter.internal", "http://exporter.internal:9281"),
    ],
)
def test_where_a_service_is_reached(host, reached):
    """A server that listens on any address is reached on the loopback address."""
    assert str(address(host, 9281)) == reached


def test_an_export_that_fails_leaves_nothing(tmp_path):
    """An export that fails leaves no file, because it would look complete."""
    name = tmp_path / "letters"

    for error, raised in ((KeyError(), KeyError), (OSError(28, "full"), ExportError)):
        with pytest.raises(raised), target(str(name)):
            raise error
        assert not name.exists()


def test_an_export_is_nobody_elses(tmp_path):
    """Only the owner can read the file, and existing files are kept."""
    name = tmp_path / "letters"
    with careless(), target(str(name)) as file:
        file.write("{}")

    assert stat.S_IMODE(name.stat().st_mode) == 0o600
    with pytest.raises(ExportError, match="exists"), target(str(name)):
        pass
    assert name.read_text() == "{}"
    with pytest.raises(ExportError, match="Not a directory"), target(f"{name}/x"):
        pass


def test_numbers_in_words():
    """One has no plural, and a long list of ids is cut."""
    assert (counted(1), counted(2)) == ("1 dead letter", "2 dead letters")
    assert named([3, 4]) == "3, 4"
    assert named(list(range(1, 31))).endswith("19, 20 and 10 more")
