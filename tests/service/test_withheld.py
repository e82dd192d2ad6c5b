"""A broker that was upgraded without being told to send everything is noticed."""

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
SAID = "the broker withholds events that are selected"


@pytest.fixture
async def exporter(tmp_path, monkeypatch):
    """Run an exporter that the command line knows how to ask."""
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


async def exported(exporter, *names):
    """Let a broker export recorded user tasks, without the variables with *names*."""
    partition = Partition(1)
    records = map(json.loads, recorded.user_tasks("8.9.0"))
    partition.log.append(each | {"brokerVersion": VERSION} for each in records)
    given = broker_environment(VERSION, f"http://{exporter.ingest}")
    given = {name: given[name] for name in given if not name.endswith(names)}
    exporting = Exporting(partition, exporters(given, VERSION), VERSION)
    task = asyncio.create_task(exporting.run())
    last = partition.log.records[-1]["position"]
    await eventually(lambda: exporting.positions == {"appintspool": last})
    task.cancel()
    await asyncio.wait([task])


async def test_an_upgraded_broker(exporter, command):
    """Status, log, metric and `check` say which setting it lacks, until it's set."""
    before = await command("status")
    await exported(exporter, "OPTIMIZEMODEENABLED")
    during, found = await command("status"), await command("check")
    status = json.loads((await command("status", "--json"))[1])
    gauge = (await exporter.metrics())[GAUGE]
    (line,) = exporter.lines.saying(SAID)
    await exported(exporter, "NOTHING")
    after = await command("status")

    setting = "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_OPTIMIZEMODEENABLED=false"
    missing = "user-task:created never arrives"
    assert (before[0], during[0], after[0]) == (0, 1, 0)
    for _, text in (during, found):
        assert missing in text
        assert setting in text
    assert found[0] == 1
    assert status["ingest"]["withheld"]["events"] == ["user-task:created"]
    assert gauge == 1
    assert missing in line.reason
    assert setting in line.remedy
    assert "WITHHELD" not in before[1] + after[1]
    assert (await exporter.metrics())[GAUGE] == 0
    assert len(exporter.lines.saying("the broker withholds no events any more")) == 1


@pytest.mark.parametrize(
    "process, missing, noticed",
    [
        ("fx-ext", "OPTIMIZEMODEENABLED", 1),
        ("fx-ext", "NOTHING", 0),
        ("fx-tl", "NOTHING", 0),
    ],
    ids=["filtering", "sending", "sending, with a listener that nobody answers"],
)
async def test_tasks_that_nobody_works_on(exporter, process, missing, noticed):
    """A broker that filters shows before any task goes on, and no other is accused."""
    given = broker_environment(VERSION, f"http://{exporter.ingest}")
    given = {name: given[name] for name in given if not name.endswith(missing)}
    async with Broker(VERSION, given) as broker, Client(broker.rest_url) as client:
        await client.deploy(broker.engine.recording.deployments[process])
        for _ in range(10):
            await client.create_instance(process)
        ours = broker.exporting["default", 1]
        last = broker.partition(1).log.records[-1]["position"]
        await eventually(lambda: ours.positions == {"appintspool": last})

    assert len(exporter.lines.saying(SAID)) == noticed


async def test_check_without_a_service(command, monkeypatch, tmp_path):
    """Nobody knows what is withheld while no service runs, and nothing is said."""
    monkeypatch.setenv("APP_INTEGRATIONS_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("APP_INTEGRATIONS_SPOOL_DIR", str(tmp_path / "spool"))

    _, text = await command("check")

    assert "never arrives" not in text
