"""If the DNS is down, an attempt fails, but the program can end."""

import asyncio
import socket
import threading

import pytest

from devkit.waiting import eventually
from exporter.commands.run import loop_factory
from exporter.net.names import look_up, resolver


@pytest.fixture
def silent_name_service(monkeypatch):
    """Answer no lookup before the test is over; yield the running lookups."""
    over, asked = threading.Event(), []

    def ask(host, *_, **__):
        asked.append(host)
        over.wait(30)
        asked.remove(host)
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    yield asked
    over.set()


@pytest.mark.parametrize("factory", [None, loop_factory()])
def test_the_end_does_not_wait(silent_name_service, factory):
    """A loop ends at once although a lookup is still running."""

    async def ask():
        question = asyncio.create_task(resolver().resolve("backend.example", 443))
        await eventually(lambda: silent_name_service)
        question.cancel()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(ask())

    assert silent_name_service == ["backend.example"]


async def test_addresses_are_found():
    """Names and addresses both resolve."""
    for host in ("localhost", "127.0.0.1"):
        found = await resolver().resolve(host, 443, family=socket.AF_INET)
        assert {(each["host"], each["port"]) for each in found} == {("127.0.0.1", 443)}


async def test_a_scoped_address():
    """An address that names its network interface keeps it."""
    found = await resolver().resolve("fe80::1%lo", 443, family=socket.AF_INET6)

    assert [each["host"] for each in found] == ["fe80::1%lo"]


async def test_a_name_that_does_not_exist():
    """The error of the DNS is raised."""
    with pytest.raises(OSError, match=r"[Nn]ame"):
        await look_up("nowhere.invalid", 443)


async def test_an_answer_that_nobody_waits_for(monkeypatch):
    """An answer that comes too late is ignored."""
    late = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: late.wait(10))
    question = asyncio.create_task(look_up("backend.example", 443))
    await asyncio.sleep(0)
    question.cancel()
    late.set()

    def threads():
        return [t for t in threading.enumerate() if t.name == "name-service"]

    await eventually(lambda: not threads())
    with pytest.raises(asyncio.CancelledError):
        await question
