"""`backends` without a service shows and drops what is kept."""

import asyncio
import json

import aiohttp
import pytest

from exporter import cli
from exporter.commands.client import admin_port
from exporter.config import settings
from exporter.spool import Rejection
from exporter.spool.lock import locked
from tests.unit.spools import ANY, a_spool, an_event, taken


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """Configure the backends `teams` and `audit`; return the spool's directory."""
    monkeypatch.setenv("APP_INTEGRATIONS_SPOOL_DIR", str(tmp_path))
    monkeypatch.setenv("APP_INTEGRATIONS_BACKENDS", "teams, audit")
    monkeypatch.setenv("APP_INTEGRATIONS_ADMIN_PORT", "9")
    return tmp_path


@pytest.fixture
def past(directory):
    """Keep two events and a dead letter for `old`, and one event for `teams`."""

    async def fill():
        async with a_spool(directory, "old", "teams") as spool:
            await spool.append([an_event(1, backends=("old",), instance=1)])
            outbox = spool.outboxes["old"]
            await outbox.reject(await outbox.take(ANY), Rejection("refused: 400"))
            await spool.append([an_event(2, backends=("teams",), instance=2)])
            await spool.append([an_event(3, backends=("old",), instance=3)])
            await spool.append([an_event(4, backends=("old",), instance=4)])

    asyncio.run(fill())


def run(capsys, *argv):
    """Run `backends`; return its exit status and what it printed."""
    capsys.readouterr()
    return cli.main(["backends", *argv]), *capsys.readouterr()


def waiting_for(directory, backend):
    """Return the positions of the events that *backend* would get."""

    async def look():
        async with a_spool(directory, "teams", "audit", "old") as spool:
            return [n for batch in await taken(spool, backend=backend) for n in batch]

    return asyncio.run(look())


@pytest.mark.usefixtures("past")
def test_what_is_kept(capsys):
    """Each backend has a line; backends that aren't configured come last."""
    status, out, err = run(capsys)

    assert (status, err) == (0, "")
    assert [line.split() for line in out.splitlines()] == [
        ["backend", "configured", "waiting", "bytes", "dead", "letters"],
        ["teams", "yes", "1", "14", "0"],
        ["audit", "yes", "0", "0", "0"],
        ["old", "NO", "2", "28", "1"],
    ]


@pytest.mark.usefixtures("past")
def test_machines_read_the_same(capsys):
    """`--json` has the same numbers."""
    status, out, _ = run(capsys, "--json")

    assert status == 0
    assert [each["backend"] for each in json.loads(out)] == ["teams", "audit", "old"]
    assert json.loads(out)[-1] == {
        "backend": "old",
        "configured": False,
        "events": 2,
        "event_bytes": 28,
        "dead_letters": 1,
    }


@pytest.mark.usefixtures("past")
def test_drop(directory, capsys):
    """Only events and dead letters of the old backend are deleted."""
    status, out, err = run(capsys, "drop", "old", "--json")
    _, after, _ = run(capsys, "--json")

    assert (status, json.loads(out)) == (0, {"dropped": 3})
    assert err == "3 events of old were deleted\n"
    assert [each["backend"] for each in json.loads(after)] == ["teams", "audit"]
    assert waiting_for(directory, "teams") == [2]
    assert waiting_for(directory, "old") == []


@pytest.mark.parametrize(
    "argv, why",
    [
        (["drop", "teams"], "teams is configured"),
        (["drop", "odl"], "Nothing is kept for a backend 'odl'"),
    ],
)
@pytest.mark.usefixtures("past")
def test_what_can_not_be_meant(capsys, argv, why):
    """A wrong name changes nothing, and the error lists the right names."""
    before = run(capsys, "--json")

    status, out, err = run(capsys, *argv)

    assert (status, out) == (1, "")
    assert why in err
    assert "old" in err or "BACKENDS" in err
    assert run(capsys, "--json") == before


@pytest.mark.parametrize("argv", [["drop"], ["hand-over", "old", "teams"]])
def test_what_is_incomplete(argv, capsys):
    """An incomplete command line does nothing: status 2."""
    with pytest.raises(SystemExit) as left:
        cli.main(["backends", *argv])

    assert left.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_help_helps(capsys):
    """The help has examples, and explains how long events are kept."""
    with pytest.raises(SystemExit):
        cli.main(["backends", "--help"])

    said = capsys.readouterr().out
    assert "drop old" in said
    assert "kept until" in said


@pytest.mark.usefixtures("directory")
def test_no_spool(capsys):
    """Without a spool the command fails."""
    status, out, err = run(capsys)

    assert (status, out) == (1, "")
    assert "There is no spool in" in err


@pytest.mark.usefixtures("past")
async def test_a_port_of_its_own():
    """Without a service, only the command itself can use the port it opens."""
    async with admin_port(settings.spool_location()) as port:
        async with aiohttp.request("GET", port.url / "backends") as answer:
            refused = answer.status
        listed = await port.get("/backends")

    assert refused == 401
    assert len(listed["backends"]) == 3
    assert port.url.host == "127.0.0.1"
    assert not port.is_of_service


def test_a_service_that_can_not_be_asked(directory, capsys):
    """If the holder of the spool doesn't answer, the command does nothing."""
    with locked(directory):
        status, out, err = run(capsys, "drop", "old")

    assert (status, out) == (1, "")
    assert "is in use" in err


@pytest.mark.usefixtures("past")
def test_an_endless_name(capsys):
    """A very long name isn't repeated in full."""
    _, _, err = run(capsys, "drop", "x" * 1000)

    assert "Nothing is kept" in err
    assert len(err) < 300
