"""
One connection to a backend, a token endpoint or a proxy, below aiohttp's client.

It carries one request at a time, and never takes bytes that came before the request
for its answer. A connection with unread or unexpected bytes is closed.
"""

import asyncio
import select
from functools import partial
from typing import Any

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler

from exporter.delivery.heads import TIMEOUT, AnswerError, Head, head_of
from exporter.net.names import resolver

IDLE_SECONDS = 15.0
RESOLVE_AGAIN_SECONDS = 10
GREATEST_AGE_SECONDS = 60.0 - RESOLVE_AGAIN_SECONDS
"""A changed address is used within a minute, although names are cached."""


class StaleError(aiohttp.ClientConnectionError):
    """An idle connection can't be used any more; the request itself may be fine."""


class Connection(ResponseHandler):
    """Reads the heads of answers, and leaves bodies to aiohttp."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._born = loop.time()
        self._requests = 0
        self._sent = False
        self._waiting = False
        """Whether a request has begun and the head of its answer isn't complete."""
        self._begun = b""
        """The part of that head that has arrived."""
        self._lost = False
        self._refused = False
        """Whether the answer isn't a success."""

    def begin(self) -> None:
        """Note that the next byte that is written begins a request."""
        if self._has_unread():
            self._end_unexpected()
        self._requests += 1
        self._sent, self._waiting = False, True

    def start_timeout(self) -> None:
        """Note that a request is written; a CONNECT has no body and never begins."""
        super().start_timeout()
        self._sent = True
        self._waiting = self._waiting or not self._requests

    def is_connected(self) -> bool:
        """Whether the next request may use it, as far as is known now."""
        age = self._loop.time() - self._born
        return super().is_connected() and age < GREATEST_AGE_SECONDS

    def data_received(self, data: bytes) -> None:
        """Read *data* as a head or a body, or end the connection."""
        if not data or not (self._payload is None or self._payload.is_eof()):
            super().data_received(data)
            return
        if not self._waiting:
            self._end_unexpected()
            return
        self._begun += data
        try:
            while head := head_of(self._begun):
                self._begun = self._begun[head.size :]
                if head.normalized:
                    self._answered(head)
                    return
        except AnswerError as error:
            self._end(error)

    def _answered(self, head: Head) -> None:
        """Pass *head* and the bytes after it to aiohttp's client."""
        unsent = self.transport.get_write_buffer_size() if self.transport else 0
        is_early = head.status < 300 and (not self._sent or unsent > 0)
        if self._requests > 1 and (is_early or head.status == TIMEOUT):
            self._end_unexpected()  # it may be about an older request, or about none
            return
        rest, self._begun = self._begun, b""
        self._waiting, self._refused = False, head.status >= 300
        super().data_received(head.normalized)
        if rest:
            self.data_received(rest)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End an answer that isn't complete."""
        self._lost = True
        if self._waiting and self._begun:
            self._end(AnswerError("the connection ended within the head of an answer"))
        elif self._refused:
            self._end_body()
        super().connection_lost(exc)

    def set_exception(self, exc: BaseException, *cause: Any) -> None:
        """Fail with *exc*, or with `StaleError` if the request can be sent again."""
        if isinstance(self._exception, (AnswerError, StaleError)):
            return  # this error is only a consequence
        is_closing = self.transport is not None and self.transport.is_closing()
        if is_closing and not self._lost and isinstance(exc, OSError) and not exc.errno:
            return  # writing failed: `connection_lost` comes next, with the reason
        is_unanswered = self._waiting and self._requests > 1 and not self._begun
        if isinstance(exc, aiohttp.ClientConnectionError) and is_unanswered:
            exc = exc if isinstance(exc, TimeoutError) else StaleError()
        super().set_exception(exc, *cause)
        self._end_body()

    def _end_body(self) -> None:
        """End an incomplete body; the body of a refusal is shown as far as it came."""
        payload = self._payload
        if payload is None or payload.is_eof():
            return
        self._should_close = True
        if self._refused:
            self._payload = None
            payload.feed_eof()
        else:
            payload.set_exception(AnswerError("the answer is incomplete"))

    def _end_unexpected(self) -> None:
        """Close the connection, because the peer sent bytes that no request expects."""
        is_fresh = self._requests == self._waiting
        problem = AnswerError("the peer answered before it was asked")
        self._end(problem if is_fresh else StaleError())

    def _end(self, error: Exception) -> None:
        self.set_exception(error)
        if self.transport is not None:
            self.transport.abort()

    def _has_unread(self) -> bool:
        """Whether bytes, or the end of the connection, wait in the socket."""
        if self.transport is None:
            return True
        if not self._requests and self.transport.get_extra_info("sslcontext"):
            return False  # the end of the handshake may still wait there
        socket = self.transport.get_extra_info("socket")
        if socket.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(socket.fileno(), select.POLLIN)
        return bool(poll.poll(0))


class Body(aiohttp.BytesIOPayload):
    """The body of a request; it notifies its connection when the request begins."""

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        """Write the body; aiohttp sends the headers together with its first part."""
        protocol = getattr(writer, "protocol", None)
        if isinstance(protocol, Connection):
            protocol.begin()
        await super().write_with_length(writer, content_length)


class Connector(aiohttp.TCPConnector):
    """Opens connections of the class above, at most *connections* at once."""

    def __init__(self, connections: int) -> None:
        super().__init__(
            limit=connections,
            keepalive_timeout=IDLE_SECONDS,
            ttl_dns_cache=RESOLVE_AGAIN_SECONDS,
            resolver=resolver(),
        )
        self._factory: Any = partial(Connection, loop=self._loop)
