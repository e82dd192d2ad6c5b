"""A name service that is down costs an attempt, never the end of the program."""

import asyncio
import socket
import threading

import pytest

from devkit.waiting import eventually
from exporter.cli import loop_factory
from exporter.net.names import look_up, resolver


@pytest.fixture
def silent_name_service(monkeypatch):
    """Let no question be answered before the test is over; yield those under way."""
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
    """A loop ends at once although a question is still under way."""

    async def ask():
        question = asyncio.create_task(resolver().resolve("backend.example", 443))
        await eventually(lambda: silent_name_service)
        question.cancel()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(ask())

    assert silent_name_service == ["backend.example"]


async def test_addresses_are_found():
    """A name and an address both lead to where they should."""
    for host in ("localhost", "127.0.0.1"):
        found = await resolver().resolve(host, 443, family=socket.AF_INET)
        assert {(each["host"], each["port"]) for each in found} == {("127.0.0.1", 443)}


async def test_a_scoped_address():
    """An address that names its network interface keeps it."""
    found = await resolver().resolve("fe80::1%lo", 443, family=socket.AF_INET6)

    assert [each["host"] for each in found] == ["fe80::1%lo"]


async def test_a_name_that_does_not_exist():
    """What the name service says is what is raised."""
    with pytest.raises(OSError, match=r"[Nn]ame"):
        await look_up("nowhere.invalid", 443)


async def test_an_answer_that_nobody_waits_for(monkeypatch):
    """An answer that comes too late is nobody's business."""
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
