"""
A backend that fails by plan, and records the events that it took.

Events are taken before any byte of a 2xx is sent, because the client may forget them
then. After any other answer, or none, the client can't know whether they were taken.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from itertools import chain, repeat
from ssl import SSLContext
from weakref import WeakKeyDictionary

from devkit.backend import (
    FOREVER,
    HANG,
    LOST,
    PATH,
    RESET,
    Answer,
    Request,
    Stub,
    begun,
)
from exporter.base import codec
from tests.faults.history import History, Post
from tests.faults.plan import Fault, Kind, Plan, RetryAfter

REFUSALS = (400, 422, 406, 413)
"""The answers to batches with a bad event, in turn."""

PAUSE = 0.02
LATE_SECONDS = 0.02
HALF_A_HEAD = Answer(200, raw=[b"HTTP/1.1 200 OK\r\nConte"], pause=PAUSE, end="reset")


def half_a_body(status: int) -> Answer:
    """Send less than the announced body, and reset."""
    return Answer(status, raw=begun(status, b"half of "), pause=PAUSE, end="reset")


def drip(status: int) -> Answer:
    """Send an endless body, byte by byte."""
    return Answer(status, raw=chain(begun(status), repeat(b".")), pause=PAUSE)


ANSWERS: Mapping[Kind, Callable[[int], Answer]] = {
    Kind.DELAY: Answer,
    Kind.LOST: lambda _: LOST,
    Kind.RESET: lambda _: RESET,
    Kind.HANG: lambda _: HANG,
    Kind.HANG_BODY: lambda status: Answer(status, raw=begun(status)),
    Kind.LATE: lambda _: HANG,
    Kind.HALF_HEAD: lambda _: HALF_A_HEAD,
    Kind.HALF_BODY: half_a_body,
    Kind.DRIP: drip,
    Kind.STATUS: Answer,
}


class StubBackend(Stub):
    """A backend whose `answer` is the status of requests without a fault."""

    def __init__(
        self, history: History, plan: Plan, tls: SSLContext | None = None
    ) -> None:
        super().__init__(tls=tls)
        self.url += PATH
        self._history = history
        self._plan = plan
        self._last: WeakKeyDictionary[object, Post] = WeakKeyDictionary()

    async def respond(self, request: Request) -> Answer:
        """Return the planned answer; take the events if it is a success."""
        post = self._post(request)
        self._history.arrive(post)
        if self._history.bad.intersection(post.identities):
            answer = Answer(REFUSALS[len(post.identities) % len(REFUSALS)])
        elif fault := self._plan.next():
            post.fault = fault.name
            answer = await self._fail(post, fault)
        else:
            answer = Answer(self.answer)
        if answer.status < 300:
            self._history.record(post)
        post.answered = time.monotonic()
        return answer

    def _post(self, request: Request) -> Post:
        digests = tuple(digest_of(codec.encode(each)) for each in request.events)
        post = Post(
            len(self._history.lives), tuple(request.ids), digests, time.monotonic()
        )
        before = self._last.get(request.connection)
        if before:
            post.read, post.read_before = before.answered, before.read
        if before and before.recorded and not before.fault:
            before.certain = True
        self._last[request.connection] = post
        return post

    async def _fail(self, post: Post, fault: Fault) -> Answer:
        if fault.kind is Kind.STATUS:
            return Answer(fault.status, _headers(post, fault))
        if fault.kind is Kind.DELAY:
            await asyncio.sleep(fault.seconds)
        if fault.kind is Kind.LATE:
            try:
                await asyncio.sleep(FOREVER)
            finally:
                asyncio.get_running_loop().call_later(
                    LATE_SECONDS, self._history.record, post
                )
        return ANSWERS[fault.kind](fault.status)


def _headers(post: Post, fault: Fault) -> dict[str, str]:
    """Return the headers of a fault's answer; record its Retry-After in *post*."""
    if fault.retry_after is RetryAfter.SECONDS:
        post.retry_after = fault.seconds
        return {"Retry-After": f"{math.ceil(fault.seconds)}"}
    if fault.retry_after is RetryAfter.DATE:
        # A date has whole seconds, so round up: the wait must not get shorter.
        until = math.ceil(time.time() + fault.seconds)
        post.retry_after = until - time.time()
        return {"Retry-After": formatdate(until, usegmt=True)}
    return {"Location": "/elsewhere"} if fault.status == 302 else {}


def digest_of(body: bytes) -> int:
    """Return a digest of *body*, which is stable only in this process."""
    return hash(body)
