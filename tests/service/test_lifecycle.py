"""Starting and dying: whatever happens, what was accepted is delivered."""

import asyncio
import signal
import socket

import aiohttp
import pytest

from devkit.waiting import eventually
from exporter.net.listening import PortError
from tests.records import KEY, a_record, bulk, tasks
from tests.service.running import send
from tests.service.wire import refuses


async def test_a_failing_part_ends_the_service(start, backend, monkeypatch):
    """An unexpected error ends the whole process, so that it's restarted."""

    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("exporter.delivery.delivery.request_of", fail)
    exporter = await start()
    await exporter.bulk(tasks(1))

    with pytest.raises(ExceptionGroup) as raised:
        await exporter.ended()
    again_at = exporter.ingest

    assert raised.value.subgroup(ZeroDivisionError)
    assert await refuses(again_at)
    assert backend.requests == []


@pytest.mark.slow
async def test_sigkill_loses_nothing(launch, backend, client):
    """What was answered before a kill is delivered after the next start, in order."""
    backend.answer = 503
    process = launch()
    await process.run()
    answered = []

    async def feed(partition):
        for position in range(1, 100_000):
            value = {"processInstanceKey": KEY + position % 5}
            record = a_record(position, partitionId=partition, value=value)
            try:
                status = await send(client, process.ingest_url, bulk(record))
            except aiohttp.ClientError:
                return
            assert status == 200
            answered.append((partition, position))

    async with asyncio.TaskGroup() as feeds:
        for partition in (1, 2, 3):
            feeds.create_task(feed(partition))
        await eventually(lambda: len(answered) >= 100)
        process.signal(signal.SIGKILL)
    assert await process.ended() == -signal.SIGKILL
    backend.answer = 200
    await process.run()
    await eventually(lambda: len(backend.positions) >= len(answered))
    await process.stop()

    arrived = [
        tuple(map(int, identity.split("-")[:2]))
        for post in backend.accepted
        for identity in post.ids
    ]
    assert set(answered) <= set(arrived)
    # An event may be on disk although the kill came before its answer.
    assert len(arrived) - len(answered) <= 3
    assert len(set(arrived)) == len(arrived)
    for partition in (1, 2, 3):
        for rest in range(5):
            lane = [n for each, n in arrived if each == partition and n % 5 == rest]
            assert lane == sorted(lane)


@pytest.mark.parametrize("name", ["ingest_port", "admin_port"])
async def test_a_taken_port(start, name):
    """A taken port is named with its setting; the spool is free again at once."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortError) as raised:
            await start(**{name: port})
    exporter = await start()

    assert f"127.0.0.1:{port}: Address already in use" in str(raised.value)
    assert f"APP_INTEGRATIONS_{name.upper()}" in str(raised.value)
    assert (await exporter.look("/readyz")).status == 200
