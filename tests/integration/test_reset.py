"""
A new broker counts positions from the start again, and the old spool takes it in.

Two engines that did the same have the same positions and even the same keys: only the
time tells them apart, and time may go backwards.
"""

import asyncio
import shutil
from contextlib import AsyncExitStack

import pytest

from exporter.demo.backend import Backend
from exporter.demo.engine import Engine
from exporter.demo.service import Service
from tests.integration.office import LIFE, Office

TEN_MINUTES_MS = 10 * 60 * 1000


async def reviews(new_broker, work, ingest_port, spool, *, behind_ms=0):
    """Let a new, empty broker live ten lives; return what was told of them."""
    async with AsyncExitStack() as running:
        backend = await running.enter_async_context(Backend())
        service = Service(
            work, backend.url, ingest_port=ingest_port, SPOOL_DIR=str(spool)
        )
        running.push_async_callback(service.stop)
        broker = new_broker(
            work / "broker", service.ingest_url, ZEEBE_CLOCK_CONTROLLED="true"
        )
        running.push_async_callback(broker.stop)
        await asyncio.gather(service.start(), broker.start())
        await broker.shift_clock(-behind_ms)
        engine = await running.enter_async_context(Engine(broker.rest_url))
        office = Office(engine, backend)
        async with office.at_work():
            instances = await office.review(10)
            await office.all_told(instances, LIFE)
    return office, instances


@pytest.fixture(scope="module")
def first_life(new_broker, ingest_port, tmp_path_factory):
    """Return the spool that a first broker filled, and what was told then."""
    work = tmp_path_factory.mktemp("first")
    spool = work / "spool"
    office, instances = asyncio.run(reviews(new_broker, work, ingest_port, spool))
    return spool, office.identities(instances)


@pytest.mark.parametrize("behind_ms", [0, TEN_MINUTES_MS])
async def test_empty_broker(new_broker, ingest_port, tmp_path, first_life, behind_ms):
    """Nothing a new broker says is taken for a repeat of what the old one said."""
    old_spool, told_before = first_life
    spool = tmp_path / "spool"
    shutil.copytree(old_spool, spool)
    office, instances = await reviews(
        new_broker, tmp_path, ingest_port, spool, behind_ms=behind_ms
    )

    assert office.histories(instances) == dict.fromkeys(instances, LIFE)
    told = office.identities(instances)
    assert len(told) == len(set(told))
    assert min(positions(told)) < max(positions(told_before))


def positions(identities):
    """Return the positions in these ids."""
    return [int(identity.split("-")[1]) for identity in identities]
