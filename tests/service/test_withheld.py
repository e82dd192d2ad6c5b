"""A broker that was upgraded and now filters its events is noticed."""

import pytest

from devkit.broker import Broker
from devkit.client import Client
from devkit.waiting import eventually
from exporter.broker.environment import broker_environment

VERSION = "8.10.0"
GAUGE = "ingest_withheld"
MISSING = "user-task:created never arrives"
SETTING = "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_OPTIMIZEMODEENABLED"


@pytest.fixture
async def exporter(start):
    """Run an exporter."""
    return await start()


async def exported(exporter, process="fx-ext", *, filtering):
    """Let a broker export the tasks of ten instances that nobody works on."""
    given = broker_environment(VERSION, f"http://{exporter.ingest}")
    given = {x: given[x] for x in given if x != SETTING or not filtering}
    async with Broker(VERSION, given) as broker, Client(broker.rest_url) as client:
        await client.deploy(broker.engine.recording.deployments[process])
        for _ in range(10):
            await client.create_instance(process)
        ours = broker.exporting["default", 1]
        last = broker.partition(1).log.records[-1]["position"]
        await eventually(lambda: ours.positions == {"appintspool": last})


@pytest.mark.slow
async def test_an_upgraded_broker(exporter, command):
    """Status, metric and `check` show the missing setting, until it's set."""
    before = await command(exporter, "status")
    await exported(exporter, filtering=True)
    during, found = await command(exporter, "status"), await command(exporter, "check")
    status = (await command(exporter, "status", "--json")).json
    gauge = (await exporter.metrics())[GAUGE]
    await exported(exporter, filtering=False)
    after = await command(exporter, "status")

    assert (before[0], during[0], after[0]) == (0, 1, 0)
    for code, text, _ in (during, found):
        assert code == 1
        assert MISSING in text
        assert f"{SETTING}=false" in text
    assert status["ingest"]["withheld"]["events"] == ["user-task:created"]
    assert "WITHHELD" not in before[1] + after[1]
    assert (gauge, (await exporter.metrics())[GAUGE]) == (1, 0)


async def test_a_listener_that_nobody_answers(exporter):
    """A task that waits for its listener isn't withheld."""
    await exported(exporter, "fx-tl", filtering=False)

    assert (await exporter.metrics())[GAUGE] == 0
