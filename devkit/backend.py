"""
HTTP stubs whose answers a test plans: `Stub`, and `Backend` for the exporter.

They run in the caller's event loop, so a rule may await anything of the test.
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
NO_LINGER = struct.pack("ii", 1, 0)
FOREVER = 3600.0
TURNS = 5
SHUTDOWN_SECONDS = 0.01


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


class Listener:
    """A server whose port can be closed and opened again; `async with` opens it."""

    def __init__(self, port: int = 0) -> None:
        self.host = LOOPBACK
        """The address that `up` listens on."""
        self.port = port or free_port()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()

    async def up(self) -> None:
        """Accept connections; after `down`, accept them on the same port again."""
        self._server = await self._listen()

    async def down(self) -> None:
        """Refuse new connections and end all open ones."""
        if not self._server:
            return
        # asyncio forgets connections that it accepted just before `Server.close`.
        for listening in self._server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        await turns()
        self._server.close()
        self._server = None
        await self.drop()
        await turns()

    async def drop(self) -> None:
        """End all open connections."""
        raise NotImplementedError

    async def _listen(self) -> asyncio.Server:
        raise NotImplementedError


class Stub(Listener):
    """A server that records requests and gives planned answers."""

    def __init__(
        self,
        answer: int | Answer | Rule = 200,
        *,
        port: int = 0,
        tls: SSLContext | None = None,
    ) -> None:
        """Answer with a status, an `Answer`, or the result of a rule."""
        super().__init__(port)
        self.answer = answer
        """The planned answer. A test may change it at any time."""
        self.requests: list[Request] = []
        self.url = f"{'https' if tls else 'http'}://{LOOPBACK}:{self.port}"
        self._tls = tls
        self._http: web.Server

    async def _listen(self) -> asyncio.Server:
        # When a client disconnects, its request and the rule are cancelled.
        self._http = web.Server(self._serve, handler_cancellation=True, access_log=None)
        return await asyncio.get_running_loop().create_server(
            self._http, self.host, self.port, ssl=self._tls
        )

    async def drop(self) -> None:
        """End all open connections."""
        self._http.pre_shutdown()  # ends the idle ones
        await self._http.shutdown(SHUTDOWN_SECONDS)

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

    async def _serve(self, http: web.BaseRequest) -> web.Response:
        body = await http.content.read()  # `http.read` has a limit
        about = http.method, http.path, http.headers, body, http.transport
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
            both = [*zip(request.ids, request.events, strict=True)]
            self.accepted.append(request)
            for each in both:
                self.arrivals.append(Arrival(request.at, *each))
                self.news.put_nowait(self.arrivals[-1])
        return answer


async def turns() -> None:
    """Let new tasks start, and cancelled tasks end."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Reset a connection and discard unsent bytes; do nothing if it is closed."""
    if transport is None or transport.is_closing():
        return
    connection = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
