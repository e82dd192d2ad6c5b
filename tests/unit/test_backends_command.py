"""`backends` without a service shows and drops what is kept."""

import asyncio
import io
import json
import sys
from argparse import Namespace

import aiohttp
import pytest

from exporter import cli
from exporter.commands.client import admin_port, command
from exporter.config import settings
from exporter.spool import Rejection
from tests.unit.spools import ANY, a_spool, an_event, taken


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """Keep 2 events and a dead letter for `old`, and an event for `teams`."""
    monkeypatch.setenv("APP_INTEGRATIONS_SPOOL_DIR", str(tmp_path))
    monkeypatch.setenv("APP_INTEGRATIONS_BACKENDS", "teams, audit")

    async def fill():
        async with a_spool(tmp_path, "old", "teams") as spool:
            await spool.append([an_event(1, backends=("old",), instance=1)])
            outbox = spool.outboxes["old"]
            await outbox.reject(await outbox.take(ANY), Rejection("refused: 400"))
            await spool.append([an_event(2, backends=("teams",), instance=2)])
            await spool.append([an_event(3, backends=("old",), instance=3)])
            await spool.append([an_event(4, backends=("old",), instance=4)])

    asyncio.run(fill())
    return tmp_path


@pytest.fixture
def run(directory, capsys):  # noqa: ARG001 -- it is what the command finds
    """Return a function that runs `backends`; it returns status, stdout, stderr."""

    def backends(*argv):
        return cli.main(["backends", *argv]), *capsys.readouterr()

    return backends


def test_what_is_kept(run):
    """Each backend has a line; backends that aren't configured come last."""
    status, out, err = run()
    _, of_json, _ = run("--json")

    assert (status, err) == (0, "")
    assert [line.split() for line in out.splitlines()] == [
        ["backend", "configured", "waiting", "bytes", "dead", "letters"],
        ["teams", "yes", "1", "14", "0"],
        ["audit", "yes", "0", "0", "0"],
        ["old", "NO", "2", "28", "1"],
    ]
    assert json.loads(of_json)[-1] == {
        "backend": "old",
        "configured": False,
        "events": 2,
        "event_bytes": 28,
        "dead_letters": 1,
    }


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_drop(directory, run, option):
    """Only events and dead letters of the old backend are deleted."""
    status, out, err = run("drop", "old", *option)
    _, after, _ = run("--json")

    async def waiting_for(backend):
        async with a_spool(directory, "teams", "audit", "old") as spool:
            return [n for batch in await taken(spool, backend=backend) for n in batch]

    assert (status, json.loads(out)) == (0, {"dropped": 3} if option else 3)
    assert err == "3 events of old were deleted\n"
    assert [each["backend"] for each in json.loads(after)] == ["teams", "audit"]
    assert asyncio.run(waiting_for("teams")) == [2]
    assert asyncio.run(waiting_for("old")) == []


@pytest.mark.parametrize(
    "name, why",
    [
        ("teams", "teams is configured. Remove it from APP_INTEGRATIONS_BACKENDS"),
        ("x" * 1000, f"Nothing is kept for a backend {'x' * 40!r}. Backends with"),
    ],
)
def test_wrong_names(run, name, why):
    """A wrong name changes nothing, and the error begins with the reason."""
    before = run("--json")

    status, out, err = run("drop", name)

    assert (status, out) == (1, "")
    assert err.startswith(f"app-integrations-exporter: {why}")
    assert run("--json") == before


def test_help(capsys):
    """The help has examples; an incomplete command line is refused with status 2."""
    for argv, status, said in (["--help"], 0, "drop old"), (["drop"], 2, "OLD"):
        with pytest.raises(SystemExit) as left:
            cli.main(["backends", *argv])
        assert left.value.code == status
        assert said in "".join(capsys.readouterr())


@pytest.mark.usefixtures("directory")
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


@pytest.mark.usefixtures("directory")
def test_letters_that_stdout_lacks(monkeypatch):
    """A letter that the encoding of stdout lacks is printed as an escape."""

    @command
    async def show(*_):
        sys.stdout.write("Zoë\n")
        sys.stdout.flush()
        return 0

    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding="ascii"))

    assert show(Namespace()) == 0
    assert printed.getvalue() == b"Zo\\xeb\n"
