"""`drop-backend` without a service deletes what was left behind."""

import asyncio
import json

import aiohttp
import pytest

from exporter import cli
from exporter.commands.client import admin_port
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


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_drop(directory, capsys, option):
    """Only events and dead letters of the old backend are deleted."""
    status = cli.main(["drop-backend", "old", *option])

    async def waiting_for(backend):
        async with a_spool(directory, "teams", "audit", "old") as spool:
            assert spool.dead.rows == 0
            return [n for batch in await taken(spool, backend=backend) for n in batch]

    out, err = capsys.readouterr()
    assert (status, json.loads(out)) == (0, {"dropped": 3} if option else 3)
    assert err == "3 events of old were deleted\n"
    assert asyncio.run(waiting_for("teams")) == [2]
    assert asyncio.run(waiting_for("old")) == []


@pytest.mark.usefixtures("directory")
async def test_a_port_of_its_own():
    """Without a service, only the command itself can use the port it opens."""
    async with admin_port(settings.spool_location()) as port:
        async with aiohttp.request("GET", port.url / "status") as answer:
            refused = answer.status
        status = await port.get("/status")

    assert refused == 401
    assert status["spool"]["left_behind"] == {"old": 2}
    assert port.url.host == "127.0.0.1"
    assert not port.is_of_service
