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
    """Answer no lookup until the event is set; return the event and the hosts."""
    over, asked = threading.Event(), []

    def ask(host, *_, **__):
        asked.append(host)
        over.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    yield over, asked
    over.set()


@pytest.mark.parametrize("factory", [None, loop_factory()])
def test_the_end_does_not_wait(silent_name_service, factory):
    """A loop ends at once although a lookup is still running."""
    over, asked = silent_name_service

    async def ask():
        question = asyncio.create_task(resolver().resolve("backend.example", 443))
        await eventually(lambda: asked)
        question.cancel()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(ask())

    assert asked == ["backend.example"]
    assert not over.is_set()


async def test_a_late_answer(silent_name_service):
    """An answer that comes after its question was cancelled is ignored."""
    over, asked = silent_name_service
    question = asyncio.create_task(look_up("backend.example", 443))
    await eventually(lambda: asked)
    question.cancel()
    over.set()

    with pytest.raises(asyncio.CancelledError):
        await question
    await eventually(
        lambda: "name-service" not in {each.name for each in threading.enumerate()}
    )


@pytest.mark.parametrize(
    "host, family, address",
    [
        ("localhost", socket.AF_INET, "127.0.0.1"),
        ("127.0.0.1", socket.AF_INET, "127.0.0.1"),
        ("fe80::1%lo", socket.AF_INET6, "fe80::1%lo"),
    ],
)
async def test_addresses_are_found(host, family, address):
    """Names and addresses resolve; an address keeps its network interface."""
    found = await resolver().resolve(host, 443, family=family)

    assert {(each["host"], each["port"]) for each in found} == {(address, 443)}


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 64])
async def test_a_name_that_does_not_exist(host):
    """The error of the DNS is raised."""
    with pytest.raises((OSError, UnicodeError)):
        await look_up(host, 443)
