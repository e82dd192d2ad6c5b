"""
HTTP stubs whose answers a test plans: `Stub`, and `Backend` for the exporter.

They run in the caller's event loop, so a rule may await anything of the test. A
server that runs in threads gets the planned answers through `Stub.from_threads`.
"""

import asyncio
import contextlib
import inspect
import json
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any, Literal, Self

from aiohttp import web

from devkit.processes import LOOPBACK, free_port

PATH = "/events"
LARGEST_BODY = 1 << 30
NO_LINGER = struct.pack("ii", 1, 0)
FOREVER = 3600.0
TURNS = 5
"""Turns of the loop in which new tasks start and cancelled tasks end."""


@dataclass(slots=True, eq=False)
class Request:
    """One received request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: object = None
    """The transport; requests over one connection share it."""
    at: float = field(default_factory=time.time)
    status: int | None = None
    """The status of the answer; None until it is known."""
    query: str = ""
    """The part of the URL after `?`."""

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def ids(self) -> list[str]:
        """The identities of the events, in the order of the header."""
        return list(filter(None, self.headers.get("X-Event-Ids", "").split(",")))

    @property
    def positions(self) -> list[int]:
        """The positions of the events in the log of their partition."""
        return [int(identity.split("-")[-2]) for identity in self.ids]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of a batch, in any format, in order."""
        batch = self.json
        events = batch if isinstance(batch, list) else batch.get("events", [batch])
        return list(events)


@dataclass(frozen=True, slots=True)
class Answer:
    """
    A complete answer, or *raw* parts with a *pause* after each.

    *end* says what happens to the connection after the raw parts. A *status* below 300
    means that the events are accepted, even if the status is never sent.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw: Iterable[bytes] | None = None
    pause: float = 0.0
    end: Literal["hang", "close", "reset"] = "hang"


HANG = Answer(503, raw=())
HANG_UP = Answer(503, raw=(), end="close")
RESET = Answer(503, raw=(), end="reset")
LOST = Answer(200, raw=(), end="reset")
"""The events are accepted, but the client gets no answer."""

Rule = Callable[[Request], int | Answer | Awaitable[int | Answer]]


def begun(status: int = 200, *parts: bytes) -> list[bytes]:
    """Return the raw start of an answer that announces a body of 1 MiB."""
    return [b"HTTP/1.1 %d Begun\r\nContent-Length: 1048576\r\n\r\n" % status, *parts]


class Stub:
    """A server that records requests and gives planned answers, for `async with`."""

    def __init__(
        self,
        answer: int | Answer | Rule = 200,
        *,
        port: int = 0,
        tls: SSLContext | None = None,
    ) -> None:
        """Answer with a status, an `Answer`, or the result of a rule."""
        self.answer = answer
        """The planned answer. A test may change it at any time."""
        self.requests: list[Request] = []
        self.host = LOOPBACK
        """The address that `up` listens on."""
        self.port = port or free_port()
        self.url = f"{'https' if tls else 'http'}://{LOOPBACK}:{self.port}"
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Listen."""
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening."""
        await self.down()

    async def up(self) -> None:
        """Listen; after `down`, listen on the same port again."""
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._serve)
        # When a client disconnects, its request and the rule are cancelled.
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0
        )
        await self._runner.setup()
        serve = self._runner.server
        assert serve  # noqa: S101 - it's set up
        self._server = await asyncio.get_running_loop().create_server(
            serve, self.host, self.port, ssl=self._tls
        )

    async def down(self) -> None:
        """Close all connections and refuse new ones."""
        if self._runner and self._server:
            await close(self._server)
            await self._runner.cleanup()
        self._runner = self._server = None
        for _ in range(TURNS):
            await asyncio.sleep(0)

    def hold(self, answer: int | Answer = 200) -> asyncio.Event:
        """Hold requests until the returned event is set; then give *answer*."""
        gate = asyncio.Event()

        async def wait(_: Request) -> int | Answer:
            await gate.wait()
            return answer

        self.answer = wait
        return gate

    async def respond(self, request: Request) -> Answer:
        """Record *request* and return the planned answer."""
        self.requests.append(request)
        answer = self.answer(request) if callable(self.answer) else self.answer
        if inspect.isawaitable(answer):
            answer = await answer
        answer = Answer(answer) if isinstance(answer, int) else answer
        request.status = answer.status
        return answer

    def from_threads(self) -> Callable[[Request], Answer]:
        """Return a `respond` that other threads may call."""
        loop = asyncio.get_running_loop()

        def respond(request: Request) -> Answer:
            answer = self.respond(request)
            return asyncio.run_coroutine_threadsafe(answer, loop).result()

        return respond

    async def _serve(self, http: web.Request) -> web.Response:
        about = http.method, http.path, http.headers, await http.read(), http.transport
        answer = await self.respond(Request(*about, query=http.query_string))
        if answer.raw is None:
            body, headers = answer.body, answer.headers
            return web.Response(body=body, status=answer.status, headers=headers)
        for part in answer.raw:
            await http.writer.write(part)
            await http.writer.drain()
            await asyncio.sleep(answer.pause)
        if answer.end == "reset":
            reset(http.transport)
        elif answer.end == "close" and http.transport:
            http.transport.close()
        await asyncio.sleep(FOREVER)  # cancelled when the connection ends
        raise TimeoutError


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event, and the time when the backend received it."""

    at: float
    identity: str
    event: dict[str, Any]

    @property
    def position(self) -> int:
        """The position of the record in the partition's log."""
        return int(self.identity.split("-")[-2])

    @property
    def written(self) -> float:
        """The time when the engine wrote the record, in seconds since 1970."""
        return int(self.identity.split("-")[-1]) / 1000

    @property
    def instance(self) -> str:
        """The key of the process instance."""
        return str(self.event["processInstanceKey"])

    @property
    def task(self) -> str:
        """The key of the user task."""
        return str(self.event["userTaskKey"])

    @property
    def intent(self) -> str:
        """The intent of the event, such as CREATED."""
        return str(self.event["intent"])


class Backend(Stub):
    """A stub that also records the events that it accepted."""

    def __init__(self, answer: int | Answer | Rule = 200, **options: Any) -> None:
        """Give planned answers to `POST /events`, and 404 to all other requests."""
        super().__init__(answer, **options)
        self.url += PATH
        self.accepted: list[Request] = []
        """Accepted requests, in order of acceptance."""
        self.arrivals: list[Arrival] = []
        self.news: asyncio.Queue[Arrival] = asyncio.Queue()
        self.strays: list[Request] = []
        """Requests that were answered with 404."""

    @property
    def positions(self) -> list[int]:
        """The positions of all accepted events, in order of acceptance."""
        return [arrival.position for arrival in self.arrivals]

    async def respond(self, request: Request) -> Answer:
        """Accept the events before any byte of a 2xx answer is sent."""
        if (request.method, request.path) != ("POST", PATH):
            self.strays.append(request)
            return Answer(404)
        answer = await super().respond(request)
        if answer.status < 300:
            self.accept(request)
        return answer

    def accept(self, request: Request) -> None:
        """Record the events of *request* as accepted."""
        both = [*zip(request.ids, request.events, strict=True)]
        self.accepted.append(request)
        for each in both:
            self.arrivals.append(Arrival(request.at, *each))
            self.news.put_nowait(self.arrivals[-1])


async def close(server: asyncio.Server) -> None:
    """Refuse new connections, once the server knows all accepted ones."""
    # asyncio forgets connections that it accepted just before `server.close()`.
    for listening in server.sockets:
        asyncio.get_running_loop().remove_reader(listening.fileno())
    for _ in range(TURNS):
        await asyncio.sleep(0)
    server.close()


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Reset a connection and discard unsent bytes; do nothing if it is closed."""
    if transport is None or transport.is_closing():
        return
    connection = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
