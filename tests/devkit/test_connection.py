"""Requests go over one connection until something goes wrong."""

import asyncio
import itertools
from contextlib import asynccontextmanager

import pytest
from yarl import URL

from devkit.backend import HANG, HANG_UP, RESET, Answer, Stub
from devkit.connection import Connection

PING = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def connected(rule, seconds=5.0):
    """Yield a server that answers by *rule*, and a connection to it."""
    async with Stub(rule) as server:
        url = URL(server.url)
        connection = Connection((url.host, url.port, False), seconds)
        try:
            yield server, connection
        finally:
            connection.close()


def sockets(server):
    """Return how many connections the requests came over."""
    return len({request.connection for request in server.requests})


async def test_keep_alive():
    """Many requests share one connection, and every answer is its own request's."""
    bodies = map(b"%d".__mod__, itertools.count())
    async with connected(lambda _: Answer(200, {}, next(bodies))) as (server, to):
        answers = [await to.ask(PING) for _ in range(3)]

    assert [(each.status, each.body) for each in answers] == [
        (200, b"0"),
        (200, b"1"),
        (200, b"2"),
    ]
    assert sockets(server) == 1


async def test_chunked_answer():
    """An answer in chunks is put together, also when it comes in drops."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    drops = [head, b"3\r\nab", b"c\r\n2", b"\r\nde\r\n0\r\n\r\n"]
    async with connected(lambda _: Answer(200, raw=drops, pause=0.01)) as (_, to):
        answer = await to.ask(PING)

    assert answer.body == b"abcde"


@pytest.mark.parametrize("failure", [HANG, HANG_UP, RESET])
async def test_new_socket_after_a_failure(failure):
    """After an attempt that got no answer in time, the next one has another socket."""
    answers = iter([Answer(200), failure, Answer(200)])
    async with connected(lambda _: next(answers), seconds=0.05) as (server, to):
        await to.ask(PING)
        with pytest.raises((OSError, EOFError)):
            await to.ask(PING)
        after = await to.ask(PING)

    assert after.status == 200
    assert [request.connection for request in server.requests[:2]] == [
        server.requests[0].connection
    ] * 2
    assert sockets(server) == 2


async def test_time_out_is_of_inactivity():
    """An answer that trickles isn't late, however long all of it takes."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
    drops = [head, *itertools.repeat(b".", 10)]
    async with connected(lambda _: Answer(200, raw=drops, pause=0.02), 0.1) as (_, to):
        answer = await to.ask(PING)

    assert answer.body == b"." * 10


async def test_closed_by_the_server():
    """A connection that the server has closed between two requests fails nothing."""
    async with connected(lambda _: Answer(200)) as (server, to):
        await to.ask(PING)
        await server.down()
        await server.up()
        await asyncio.sleep(0)
        answer = await to.ask(PING)

    assert answer.status == 200
    assert len(server.requests) == 2
