"""The exporter goes: the broker sends nothing more, and works on without it."""

import asyncio
import json
import sys

import aiohttp
import pytest

from exporter.demo.engine import Engine
from exporter.demo.service import Service
from exporter.distribution.broker_environment import broker_environment
from tests.conftest import eventually
from tests.integration.office import LIFE, PATIENCE, Office
from tests.integration.recorder import Recorder

DISABLED = {"id": "appintspool", "status": "DISABLED", "forgotten": False}


@pytest.fixture
def recorder():
    """Take what another exporter of the same broker sends."""
    with Recorder() as recorder:
        yield recorder


@pytest.fixture
async def service(tmp_path, backend):
    """Run the exporter."""
    service = Service(tmp_path, backend.url)
    await service.start()
    yield service
    assert await service.stop() == 0


@pytest.fixture
async def brokers(new_broker, tmp_path, service, recorder):
    """Return a running broker, and one that would begin on its data without us."""
    work = tmp_path / "broker"
    other = broker_environment("8.6.0", recorder.url, exporter_id="RECORDER")
    with_us = new_broker(work, service.ingest_url, **other)
    without_us = new_broker(work, ports=with_us.ports, **other)
    await with_us.start()
    yield with_us, without_us
    await without_us.stop()
    await with_us.stop()


async def command(*argv):
    """Run our command line; return its exit status and its JSON."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "exporter",
        *argv,
        "--json",
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await running.communicate()
    return running.returncode, json.loads(out)


async def listed(broker):
    """Return what the broker's actuator lists: the status by the id."""
    url = f"{broker.management_url}/actuator/exporters"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return {each["exporterId"]: each["status"] for each in await answer.json()}


async def test_uninstall(brokers, backend, recorder):
    """What happens from `uninstall` to `enable` goes to the other exporter alone."""
    with_us, without_us = brokers
    async with Engine(with_us.rest_url) as engine:
        office = Office(engine, backend)
        before = await office.review(1)
        await office.all_told(before, LIFE[:1])

        first = await command("uninstall", "--broker", with_us.management_url)
        between = await office.review(1)
        await eventually(lambda: recorder.of(*between, "CREATED"), within=PATIENCE)
        again = await command("uninstall", "--broker", with_us.management_url)
        then = await listed(with_us)

        await with_us.stop()
        await without_us.start()
        after = await office.review(1)
        await eventually(lambda: recorder.of(*after, "CREATED"), within=PATIENCE)
        last = await command("uninstall", "--broker", without_us.management_url)

        await without_us.stop()
        await with_us.start()
        enabled = await command("enable", "--broker", with_us.management_url)
        back = await office.review(1)
        await office.all_told(back, LIFE[:1])

    assert first == again == last == (0, DISABLED)
    assert enabled == (0, {"id": "appintspool"})
    assert then == {"appintspool": "DISABLED", "recorder": "ENABLED"}
    assert office.told(*between) == office.told(*after) == []
