"""The distribution image forwards events of a real broker, however it is run."""

import pytest

from tests.conftest import eventually
from tests.containers.offices import staffed, unstaffed
from tests.integration.office import LIFE

OURS = ("APP_INTEGRATIONS_", "LD_LIBRARY_PATH", "_PYI_")


async def test_life_of_user_tasks(start, backend):
    """Every event of a user task's life arrives, in order and once."""
    async with start() as broker, staffed(broker, backend) as office:
        instances = await office.review(20)
        await office.all_told(instances, LIFE)

        assert office.histories(instances) == dict.fromkeys(instances, LIFE)
        identities = office.identities(instances)
        assert len(identities) == len(set(identities))
        assert broker.status()["backends"]["default"]["delivery"]["events"] == 60
        # Neither settings nor the libraries of the exporter are the broker's to see.
        told = broker.variables(broker.java())
        assert [name for name in told if name.startswith(OURS)] == []


async def test_orphans(start):
    """What the broker's scripts leave behind is reaped: it would pile up for months."""
    async with start() as broker:
        broker.run("bash", "-c", "for _ in 1 2 3; do (sleep 0.1 &); done")

        await eventually(lambda: "sleep" not in broker.names())


# What the official chart has in its script, for the images of every version.
SCRIPT = """
if [ -x /usr/local/bin/startup.sh ]; then exec bash /usr/local/bin/startup.sh; fi
exec camunda
"""


async def test_as_the_official_chart_runs_it(start, volume, backend):
    """In front of a script, as any user, on a read-only root, without capabilities."""
    restricted = {
        "entrypoint": ["app-integrations-entrypoint", "bash", "-c", SCRIPT],
        "user": "12345:0",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "volume": volume,
    }
    async with start(**restricted) as broker, staffed(broker, backend) as office:
        instances = await office.review(3)
        await office.all_told(instances, LIFE)

        assert office.histories(instances) == dict.fromkeys(instances, LIFE)


@pytest.mark.parametrize(
    "off", [{"APP_INTEGRATIONS_ENABLED": "false"}, {"APP_INTEGRATIONS_URL": ""}]
)
async def test_disabled(start, off):
    """Switched off, or without a backend, nothing of ours runs beside the broker."""
    async with start(environment=off) as broker:
        processes = broker.processes()
        told = broker.variables(1)

    assert [line for line in processes.values() if "app-integrations" in line] == []
    assert [name for name in told if "APPINTSPOOL" in name] == []


async def test_wrong_configuration(start):
    """A broker starts all the same, behind an error that names every mistake."""
    wrong = {
        "APP_INTEGRATIONS_BATCH_SIZE": "many",
        "APP_INTEGRATIONS_LOG_LEVEL": "loud",
    }
    async with start(environment=wrong) as broker:
        assert broker.exporter() is None
        for name in wrong:
            assert f"{name} is" in broker.log
        assert "starts without the exporter" in broker.log


async def test_uninstall(start, volume, backend):
    """The broker lets go of us with one command, and then starts as a stock one."""
    async with start(volume=volume) as broker, unstaffed(broker, backend) as office:
        instances = await office.review(1)
        await office.all_told(instances, LIFE[:1])
        broker.run("app-integrations-exporter", "uninstall")

        assert await broker.exporters() == {"appintspool": "DISABLED"}

    off = {"APP_INTEGRATIONS_URL": ""}
    async with start(environment=off, volume=volume) as broker:
        assert (await broker.exporters()).get("appintspool") != "ENABLED"
        assert broker.exporter() is None
