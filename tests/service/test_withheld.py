"""A broker that was upgraded and now filters its events is noticed."""

import asyncio
import json

import pytest

from devkit.arguments import exporters
from devkit.backend import Backend
from devkit.broker import Broker
from devkit.client import Client
from devkit.engine import Partition
from devkit.exporting import Exporting
from devkit.processes import free_port
from devkit.waiting import eventually
from exporter import cli
from exporter.broker.environment import broker_environment
from tests import recorded
from tests.configured import configured
from tests.service.running import running

VERSION = "8.10.0"
GAUGE = "ingest_withheld"
MISSING = "user-task:created never arrives"
SETTING = "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_OPTIMIZEMODEENABLED"


@pytest.fixture
async def exporter(tmp_path, monkeypatch):
    """Run an exporter that the command line can ask."""
    async with Backend() as backend:
        where = {"spool_dir": tmp_path / "spool", "admin_port": free_port()}
        for name, value in ({"url": backend.url} | where).items():
            monkeypatch.setenv(f"APP_INTEGRATIONS_{name.upper()}", str(value))
        settings = configured(url=backend.url, ingest_port=0, **where)
        async with running(settings) as exporter:
            yield exporter


@pytest.fixture
def command(capsys):
    """Return a function that runs a command; it returns its exit status and output."""

    async def run(*argv):
        return await asyncio.to_thread(cli.main, argv), capsys.readouterr().out

    return run


def variables(exporter, *, filtering):
    """Return the variables of a broker that sends to *exporter*."""
    given = broker_environment(VERSION, f"http://{exporter.ingest}")
    assert SETTING in given
    return {x: given[x] for x in given if x != SETTING or not filtering}


async def exported(exporter, *, filtering):
    """Let a broker export recorded user tasks."""
    partition = Partition(1)
    records = map(json.loads, recorded.user_tasks("8.9.0"))
    partition.log.append(each | {"brokerVersion": VERSION} for each in records)
    given = variables(exporter, filtering=filtering)
    exporting = Exporting(partition, exporters(given, VERSION), VERSION)
    task = asyncio.create_task(exporting.run())
    last = partition.log.records[-1]["position"]
    await eventually(lambda: exporting.positions == {"appintspool": last})
    task.cancel()
    await asyncio.wait([task])


async def test_an_upgraded_broker(exporter, command):
    """Status, metric and `check` show the missing setting, until it's set."""
    before = await command("status")
    await exported(exporter, filtering=True)
    during, found = await command("status"), await command("check")
    status = json.loads((await command("status", "--json"))[1])
    gauge = (await exporter.metrics())[GAUGE]
    await exported(exporter, filtering=False)
    after = await command("status")

    assert (before[0], during[0], after[0]) == (0, 1, 0)
    for code, text in (during, found):
        assert code == 1
        assert MISSING in text
        assert f"{SETTING}=false" in text
    assert status["ingest"]["withheld"]["events"] == ["user-task:created"]
    assert "WITHHELD" not in before[1] + after[1]
    assert (gauge, (await exporter.metrics())[GAUGE]) == (1, 0)


@pytest.mark.parametrize(
    "process, filtering",
    [("fx-ext", True), ("fx-ext", False), ("fx-tl", False)],
    ids=["filtering", "sending", "sending, with a listener that nobody answers"],
)
async def test_tasks_that_nobody_works_on(exporter, process, filtering):
    """A broker that filters is noticed before any task goes on; others are not."""
    given = variables(exporter, filtering=filtering)
    async with Broker(VERSION, given) as broker, Client(broker.rest_url) as client:
        await client.deploy(broker.engine.recording.deployments[process])
        for _ in range(10):
            await client.create_instance(process)
        ours = broker.exporting["default", 1]
        last = broker.partition(1).log.records[-1]["position"]
        await eventually(lambda: ours.positions == {"appintspool": last})

    assert bool((await exporter.metrics())[GAUGE]) is filtering
