"""
A backend that fails as it's told to, and notes what it took.

Events are taken before the first byte of a success goes out, never after: whoever has
read a 2xx may forget them. What else is answered, or not at all, says nothing of that.
"""

import asyncio
import json
import math
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from ssl import SSLContext
from typing import Self
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp import web

from exporter import codec
from exporter.demo.ports import LOOPBACK
from tests.faults.history import History, Post
from tests.faults.plan import Fault, Kind, Plan, RetryAfter
from tests.faults.sockets import reset

PATH = "/events"
REFUSALS = (400, 422, 409, 413)
"""What a bad event is answered with, in turn."""

DRIP_SECONDS = 0.02
LATE_SECONDS = 0.02
FOR_EVER = 3600.0
HALF_A_HEAD = b"HTTP/1.1 200 OK\r\nContent-Le"

Way = Callable[[web.Request, Post, Fault], Awaitable[web.StreamResponse]]


class StubBackend:
    """One listener. It ends with its block, and with it whatever still hangs."""

    def __init__(
        self, history: History, plan: Plan, tls: SSLContext | None = None
    ) -> None:
        """Fail as *plan* says, and note in *history* what came."""
        self._history = history
        self._plan = plan
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self._last: WeakKeyDictionary[asyncio.BaseTransport, Post]
        self._last = WeakKeyDictionary()
        self._late: set[asyncio.Task[None]] = set()
        self.port = 0
        self.status = 200
        """What every request is answered with that meets no fault."""
        self._ways: dict[Kind, Way] = {
            Kind.DELAY: self._delay,
            Kind.LOST: self._lose,
            Kind.RESET: self._reset,
            Kind.HANG: self._hang,
            Kind.HANG_BODY: self._hang_body,
            Kind.LATE: self._be_late,
            Kind.HALF_HEAD: self._half_head,
            Kind.HALF_BODY: self._half_body,
            Kind.DRIP: self._drip,
            Kind.STATUS: self._refuse,
        }

    async def __aenter__(self) -> Self:
        """Listen within the block."""
        app = web.Application(client_max_size=1 << 30)
        app.router.add_post(PATH, self._take)
        # A handler that hangs ends as soon as its client has gone.
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, 0, ssl_context=self._tls).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let nobody hang any longer."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        assert self._runner
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        post = await self._read(request)
        if post is None:
            return web.Response(status=400)
        assert request.transport
        before = self._last.get(request.transport)
        if before and before.recorded and not before.fault:
            before.certain = True
        self._last[request.transport] = post
        self._history.arrive(post)
        if self._history.bad.intersection(post.identities):
            return self._answer(post, REFUSALS[len(post.identities) % len(REFUSALS)])
        if fault := self._plan.next():
            post.fault = fault.name
            return await self._ways[fault.kind](request, post, fault)
        return self._answer(post, self.status)

    async def _read(self, request: web.Request) -> Post | None:
        """Return the post, or None when it broke off."""
        arrived = time.monotonic()
        try:
            body = await request.read()
        except (aiohttp.ClientError, web.RequestPayloadError, OSError):
            return None
        identities = request.headers["X-Event-Ids"].split(",")
        events = json.loads(body)["events"]
        return Post(
            len(self._history.lives),
            tuple(identities),
            tuple(digest_of(codec.encode(event)) for event in events),
            arrived,
        )

    def _answer(self, post: Post, status: int, **headers: str) -> web.Response:
        """Return the answer with *status*; a success takes the events."""
        if status < 300:
            self._history.record(post)
        post.status = status
        post.answered = time.monotonic()
        return web.Response(status=status, headers=headers)

    async def _delay(
        self, _: web.Request, post: Post, fault: Fault
    ) -> web.StreamResponse:
        await asyncio.sleep(fault.seconds)
        return self._answer(post, fault.status)

    async def _lose(self, request: web.Request, post: Post, _: Fault) -> web.Response:
        self._history.record(post)
        return await self._gone(request)

    async def _reset(self, request: web.Request, _: Post, __: Fault) -> web.Response:
        return await self._gone(request)

    async def _hang(self, _: web.Request, __: Post, ___: Fault) -> web.Response:
        await asyncio.sleep(FOR_EVER)
        raise AssertionError("nobody waits for so long")

    async def _be_late(
        self, request: web.Request, post: Post, fault: Fault
    ) -> web.Response:
        try:
            return await self._hang(request, post, fault)
        except asyncio.CancelledError:
            task = asyncio.create_task(self._record_late(post))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
            raise

    async def _record_late(self, post: Post) -> None:
        await asyncio.sleep(LATE_SECONDS)
        self._history.record(post)

    async def _hang_body(
        self, request: web.Request, post: Post, fault: Fault
    ) -> web.StreamResponse:
        await self._begin(request, post, fault)
        await asyncio.sleep(FOR_EVER)
        raise AssertionError("nobody waits for so long")

    async def _half_head(
        self, request: web.Request, post: Post, _: Fault
    ) -> web.Response:
        self._history.record(post)
        assert request.transport
        request.transport.write(HALF_A_HEAD)
        await asyncio.sleep(DRIP_SECONDS)
        return await self._gone(request)

    async def _half_body(
        self, request: web.Request, post: Post, fault: Fault
    ) -> web.StreamResponse:
        response = await self._begin(request, post, fault)
        await response.write(b"half of ")
        await asyncio.sleep(DRIP_SECONDS)
        return await self._gone(request)

    async def _drip(
        self, request: web.Request, post: Post, fault: Fault
    ) -> web.StreamResponse:
        response = await self._begin(request, post, fault)
        while request.transport:
            await response.write(b".")
            await asyncio.sleep(DRIP_SECONDS)
        return response

    async def _refuse(
        self, _: web.Request, post: Post, fault: Fault
    ) -> web.StreamResponse:
        headers = {"Location": "/elsewhere"} if fault.status == 302 else {}
        if fault.retry_after is RetryAfter.SECONDS:
            post.retry_after = fault.seconds
            headers["Retry-After"] = f"{math.ceil(fault.seconds)}"
        if fault.retry_after is RetryAfter.DATE:
            # A date has whole seconds, and a wait is never shorter than it says.
            until = math.ceil(time.time() + fault.seconds)
            post.retry_after = until - time.time()
            headers["Retry-After"] = formatdate(until, usegmt=True)
        return self._answer(post, fault.status, **headers)

    async def _begin(
        self, request: web.Request, post: Post, fault: Fault
    ) -> web.StreamResponse:
        """Send the head of an answer that promises more than will come."""
        if fault.status < 300:
            self._history.record(post)
        post.status = fault.status
        response = web.StreamResponse(status=fault.status)
        response.content_length = 1 << 20
        await response.prepare(request)
        return response

    async def _gone(self, request: web.Request) -> web.Response:
        """Reset the connection; whoever handles the request is cancelled with it."""
        reset(request.transport)
        await asyncio.sleep(FOR_EVER)
        raise AssertionError("nobody waits for so long")


def digest_of(body: bytes) -> int:
    """Return what tells *body* from others, in this process."""
    return hash(body)
