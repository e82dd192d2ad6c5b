"""A 2xx accepts the batch, whatever else is strange about an answer."""

import asyncio
import os

import pytest

from devkit.backend import Answer
from devkit.waiting import eventually
from exporter.delivery import Outcome, connection, empty, outcome_of, transport
from exporter.delivery.request import Request
from tests.service.tokens import TokenStub

OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = OK + b"Content-Length: 0\r\n\r\n"
SUCCESSES = {
    "204 with a body": b"HTTP/1.1 204 No Content\r\nContent-Type: application/json\r\n"
    b'Content-Length: 11\r\n\r\n{"ok":true}',
    "204 in chunks": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"0\r\n\r\n",
    "a line of 9 kB": OK
    + b"Content-Security-Policy: default-src 'self' %b\r\n"
    % (b"https://a.example " * 500)
    + b"Content-Length: 2\r\n\r\nok",
    "a line of 64 KiB": OK + b"X-A: %b\r\nContent-Length: 0\r\n\r\n" % (b"a" * 65536),
    "1,000 headers": OK + b"X-A: b\r\n" * 999 + b"Content-Length: 0\r\n\r\n",
    "an endless head": OK + b"X-A: b\r\n" * 100_000,
    "two equal lengths": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "a list of lengths": OK + b"Content-Length: 2, 2\r\n\r\nok",
    "two different lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "a length that is none": OK + b"Content-Length: two\r\n\r\nok",
    "a length of 30 digits": OK + b"Content-Length: %b\r\n\r\nok" % (b"9" * 30),
    "length and chunks": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nok\r\n0\r\n\r\n",
    "an unknown coding": OK + b"Transfer-Encoding: zip\r\n\r\nok",
    "a body longer than its length": OK + b"Content-Length: 2\r\n\r\nok, thank you",
    "a chunk that is none": OK + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    "data after the end": OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok\r\n",
    "another answer": OK + b"Content-Length: 2\r\n\r\nok" + WHOLE,
    "no framing": OK + b"\r\nok",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nok",
    "HTTP/2": b"HTTP/2 200\r\nContent-Length: 0\r\n\r\n",
    "in lower case": b"http/1.1 202\r\ncontent-length: 0\r\n\r\n",
    "an interim answer": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + WHOLE,
    "line feeds alone": WHOLE.replace(b"\r", b""),
    "an empty line first": b"\r\n" + WHOLE,
    "lines that are none": OK + b"nonsense\r\n: b\r\nX A: b\r\nX-B: \x00\x01\xff\r\n"
    b" folded\r\nContent-Length : 0\r\n\r\n",
}


class Peer:
    """A backend that answers with bytes, and keeps connections open."""

    def __init__(self, answer):
        self.answer = answer
        self.url = ""
        self.ends = []
        """The sockets of all connections, which the test may write to."""
        self.requests = self.closed = 0

    async def serve(self, reader, writer):
        """Answer one request after the other."""
        self.ends.append(writer.get_extra_info("socket").fileno())
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                _, _, length = head.partition("content-length: ")
                await reader.readexactly(int(length.split("\r\n")[0]))
                self.requests += 1
                writer.write(self.answer)
        except (asyncio.IncompleteReadError, OSError):
            self.closed += 1
            writer.close()


@pytest.fixture
async def peer():
    """Return a peer, which begins with a plain success."""
    peer = Peer(WHOLE)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.url = "http://{}:{}".format(*server.sockets[0].getsockname())
    yield peer
    server.close()
    await eventually(lambda: peer.closed == len(peer.ends))


@pytest.mark.parametrize("answer", SUCCESSES.values(), ids=SUCCESSES)
async def test_a_success(connect, peer, answer):
    """Once status line and head say 2xx, a request isn't sent again."""
    peer.answer = answer
    async with connect(url=peer.url) as backend:
        answers = [await backend.post(empty()) for _ in range(3)]

    assert {*map(outcome_of, answers)} == {Outcome.DELIVERED}
    assert peer.requests == 3


@pytest.mark.parametrize("cut", [1, 5, 40])
async def test_a_head_in_pieces(connect, backend, cut):
    """Heads may come byte by byte, also those of refusals."""
    refusal = b"HTTP/1.1 422 No\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nno"
    pieces = [refusal[:cut], refusal[cut : cut + 1], refusal[cut + 1 :]]
    backend.answer = Answer(422, raw=pieces, pause=0.01, end="close")
    async with connect() as there:
        answer = await there.post(empty())

    assert (answer.status, answer.excerpt) == (422, "no")


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 9\r\n\r\nwhy?",
        b"Transfer-Encoding: chunked\r\n\r\n4\r\nwhy?\r\n",
    ],
)
async def test_a_refusal_that_breaks_off(connect, backend, monkeypatch, rest):
    """The body of a refusal is shown as far as it came, even if it is read later."""
    backend.answer = Answer(422, raw=[b"HTTP/1.1 422 No\r\n" + rest], end="close")
    read = transport._read

    async def later(response, seconds):
        protocol = response.connection.protocol
        await eventually(lambda: protocol.transport is None)
        return await read(response, seconds)

    monkeypatch.setattr(transport, "_read", later)
    async with connect() as there:
        answer = await there.post(empty())

    assert (answer.status, answer.excerpt) == (422, "why?")


@pytest.mark.parametrize(
    "answer, reason",
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "isn't HTTP: it begins with 'SSH-2.0-Ope"),
        (b"\x15\x03\x01\x00\x02\x02\x46", r"with '\x15\x03\x01\x00\x02\x02F'"),
        (b"HTTP/1.1 OK 200\r\nX-A: b\r\n\r\n", "it begins with 'HTTP/1.1 OK 200"),
        (b"HTTP/1.1 101 Up\r\nUpgrade: h2c\r\n\r\n", "it begins with 'HTTP/1.1 101 Up"),
        (OK + b"Content-Le", "the connection ended within the head of an answer"),
        (b"", "the peer disconnected without an answer"),
    ],
)
async def test_an_answer_that_is_not_http(connect, backend, answer, reason):
    """A head that can't be read is postponed; the reason has its first bytes only."""
    backend.answer = Answer(503, raw=[answer], end="close")
    async with connect() as there:
        found = await there.post(empty())

    assert outcome_of(found) is Outcome.POSTPONED
    assert reason in found.detail
    assert "X-A" not in found.detail


async def test_an_error_that_is_unknown(connect, monkeypatch, caplog):
    """An error of the client that we don't know is logged by its name only."""
    monkeypatch.setattr("exporter.delivery.transport.answer_of", {"s3cret": 1}.pop)
    async with connect() as there:
        answer = await there.post(empty())

    assert outcome_of(answer) is Outcome.POSTPONED
    assert "can't be read" in answer.detail
    (line,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert (line.error, line.exc_info) == ("TypeError", None)


@pytest.mark.parametrize("kind", ["a line of 9 kB", "two equal lengths"])
async def test_a_strange_token_endpoint(connect, backend, kind):
    """The answers of a token endpoint may be as strange."""
    token = b'{"access_token": "t"}'
    strange = (
        SUCCESSES[kind].replace(b"h: 2", b"h: 21").replace(b"\r\n\r\nok", b"\r\n\r\n")
    )
    async with TokenStub() as tokens:
        tokens.answer = Answer(200, raw=[strange + token])
        async with connect(**tokens.settings) as there:
            answer = await there.post(empty())

    assert answer.status == 200
    assert backend.requests[0].headers["Authorization"] == "Bearer t"


LATE = {
    "200": WHOLE,
    "408": b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
    "body bytes": b"thank you",
    "CRLF": b"\r\n",
    "the end of a chunk": b"0\r\n\r\n",
    "half an answer": b"HTTP/1.1 200 OK\r\nX-A: ",
}


@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
async def test_late_on_an_idle_connection(connect, peer, late):
    """Bytes that answer no request end the connection, and answer nothing."""
    async with connect(url=peer.url) as backend:
        for number in (1, 2, 3):
            assert (await backend.post(empty())).status == 200
            os.write(peer.ends[-1], late)
            await eventually(lambda number=number: peer.closed == number)

    assert peer.requests == 3


@pytest.fixture
def around(monkeypatch):
    """Return a function that sets what happens before and after a request begins."""
    begin = connection.Connection.begin

    def happen(before=lambda: None, after=lambda: None):
        def begun(self):
            before()
            begin(self)
            after()
            monkeypatch.setattr(connection.Connection, "begin", begin)

        monkeypatch.setattr(connection.Connection, "begin", begun)

    return happen


@pytest.fixture
def late_answer(connect, peer, around, monkeypatch):
    """
    Return a function that posts to a used connection on which *late* arrives.

    It arrives now, before the request begins, or after. The function returns the answer
    and the number of connections.
    """
    large = Request(bytes(2**25))

    async def post(late, moment, *, at_once=60):
        # A request is sent again, however slow this machine is.
        monkeypatch.setattr("exporter.delivery.transport.AT_ONCE_SECONDS", at_once)
        async with connect(url=peer.url) as backend:
            assert (await backend.post(empty())).status == 200
            peer.answer = WHOLE.replace(b"200", b"503")

            def write():
                os.write(peer.ends[0], late)

            if moment == "now":
                write()
            else:
                around(**{moment: write})
            request = large if moment == "after" else empty()
            return await backend.post(request), len(peer.ends)

    return post


@pytest.mark.parametrize("moment", ["now", "before"])
@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
async def test_late_bytes_before_the_next_request(late_answer, late, moment):
    """Bytes in the socket before a request is written aren't its answer."""
    answer, connections = await late_answer(late, moment)

    assert (answer.status, connections) == (503, 2)


@pytest.mark.parametrize("late", [LATE["200"], LATE["408"]])
async def test_late_while_the_next_request_is_written(late_answer, late):
    """An early success and a 408 say nothing about the request that is being sent."""
    answer, connections = await late_answer(late, "after")

    assert (answer.status, connections) == (503, 2)


async def test_a_timeout_that_comes_late(late_answer):
    """After a while a request isn't sent again, because a pause may have begun."""
    answer, connections = await late_answer(LATE["408"], "after", at_once=-1)

    assert (answer.detail, connections) == ("the connection was closed", 1)
