"""The log of a real process, whose reader may be slow or gone."""

import fcntl
import os
import signal

import aiohttp
import pytest

from devkit.waiting import eventually
from tests.records import KEY, tasks
from tests.service.containers import Container
from tests.service.running import send
from tests.service.wire import connected


@pytest.fixture
def pipe():
    """Return the writing end of a pipe that is full."""
    read, write = os.pipe()
    os.write(write, b"x" * fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096))
    yield write
    os.close(read)
    os.close(write)


@pytest.mark.slow
async def test_nobody_reads_the_log(launch, backend, client, pipe):
    """While its log is a full pipe, the service takes, delivers, answers and stops."""
    process = launch()
    process.spawn(stderr=pipe)
    await process.ready(f"{process.admin_url}/readyz")

    for position in range(1, 101):
        body = tasks(position, value={"processInstanceKey": KEY + position})
        assert await send(client, process.ingest_url, body) == 200
    await eventually(lambda: len(backend.positions) == 100)
    async with client.get(f"{process.admin_url}/healthz") as answer:
        assert answer.status == 200
    process.signal(signal.SIGTERM)

    assert await process.ended() == 0


@pytest.mark.slow
async def test_a_failure_that_nobody_reads(launch, pipe):
    """A process that can't start ends, also when nobody reads why."""
    process = launch(URL="no address")

    process.spawn(stderr=pipe)

    assert await process.ended() == 2


@pytest.mark.slow
async def test_nobody_reads_the_log_of_a_container(tmp_path, backend, pipe):
    """While its log is a full pipe, a container runs its broker, and ends with it."""
    container = Container(tmp_path, backend.url)

    container.begin(stderr=pipe)
    broker = await container.broker()
    container.signal(signal.SIGTERM)

    assert broker
    assert await container.ended() == 7
    container.kill()


@pytest.mark.parametrize("host, lines", [("127.0.0.1", 0), ("0.0.0.0", 1)])  # noqa: S104
async def test_an_ingest_that_others_reach(start, host, lines):
    """If the broker's records cross a network, a line at the start says this."""
    exporter = await start(
        ingest_host=host, ingest_username="broker", ingest_password="hunter2"
    )

    found = [x for x in exporter.lines.records if "no TLS" in x.getMessage()]

    assert len(found) == lines
    assert all("NetworkPolicy" in line.remedy for line in found)
    assert "hunter2" not in str([vars(line) for line in found])


@pytest.mark.slow
async def test_noise_on_both_ports(launch):
    """Requests that are not HTTP make few lines, however many there are."""
    process = launch()
    await process.run()

    for url in (process.ingest_url, process.admin_url):
        for noise in (b"\x16\x03\x01", b"GET / HTTP/9", b"GET \xff", b"X" * 9000):
            for _ in range(3):
                async with connected(url.removeprefix("http://")) as wire:
                    await wire.send(b"GET / HTTP/1.1\r\n\r\n%b\r\n\r\n" % noise)
                    await wire.is_open()
    async with aiohttp.ClientSession() as session, session.get(process.admin_url):
        pass

    assert len(process.saying("request isn't HTTP: does the client use TLS?")) <= 2
    assert len(process.lines) <= 5
