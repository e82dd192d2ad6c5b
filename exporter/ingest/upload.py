"""
Read the bodies of bulk requests, with limits on size and time.

All limits are above everything that a broker sends, because it repeats a refused body
forever.
"""

import asyncio
import time
from http import HTTPStatus

import aiohttp
from aiohttp import web

from exporter.events import Mapper
from exporter.ingest.budget import SMALL, Budget, Share
from exporter.ingest.intake import Intake
from exporter.ingest.refusals import RefusedError

LARGEST_BODY = 128 * 1024 * 1024
"""A broker sends 10 MiB and one record. Above 100 MB, it warns about its setting."""
MOST_RECORDS = 250_000
"""Records in one body; a broker sends 1,000 by default."""
RECORD_BYTES = 1024
"""Memory for each record in addition to its bytes."""
SLICE = 4 * 1024
"""Bytes to parse at once; with very short lines, this takes some milliseconds."""
TURN_SECONDS = 0.005
"""How long one large body is read before the next one."""
BODY_SECONDS = 120.0
"""A broker has the whole body in memory before it sends the first byte."""


class Uploads:
    """All bodies that are arriving."""

    def __init__(self, mapper: Mapper) -> None:
        self._mapper = mapper
        self.budget = Budget()
        self._turn = asyncio.Lock()
        self._timeouts: set[asyncio.Timeout] = set()
        """One for each body; they expire early when the service stops."""
        self._stopping = False

    def stop(self) -> None:
        """End all uploads: the broker sends them again."""
        self._stopping = True
        for timeout in self._timeouts:
            if not timeout.expired():
                timeout.reschedule(0)

    async def take(self, request: web.Request, share: Share) -> Intake:
        """Return the content of *request*; raises `RefusedError`."""
        timeout = asyncio.timeout(0 if self._stopping else BODY_SECONDS)
        self._timeouts.add(timeout)
        try:
            async with timeout:
                return await self._read(request, share)
        except TimeoutError:
            if self._stopping:
                status, reason = HTTPStatus.SERVICE_UNAVAILABLE, "The exporter stops"
            else:
                status, reason = HTTPStatus.REQUEST_TIMEOUT, "The body took too long"
        except (aiohttp.ClientError, web.RequestPayloadError, OSError) as error:
            # The request refers to the error, and its traceback to the body.
            error.with_traceback(None)
            status, reason = HTTPStatus.BAD_REQUEST, f"The body is incomplete ({error})"
        finally:
            self._timeouts.remove(timeout)
        raise RefusedError(status, f"{reason}, so nothing of it is stored")

    async def _read(self, request: web.Request, share: Share) -> Intake:
        intake = Intake(self._mapper)
        received, turn_ends = 0, 0.0
        async for chunk in request.content.iter_any():
            for start in range(0, len(chunk), SLICE):
                part = chunk[start : start + SLICE]
                received += len(part)
                if received > LARGEST_BODY or len(intake.answers) > MOST_RECORDS:
                    raise RefusedError(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                        f"The request has more than {LARGEST_BODY} bytes or "
                        f"{MOST_RECORDS} records: lower bulk.memoryLimit or bulk.size "
                        "of the broker's exporter",
                    )
                memory = received + len(intake.answers) * RECORD_BYTES
                await self.budget.hold(share, memory)
                if share.size > SMALL and time.monotonic() > turn_ends:
                    # Small requests don't wait for a turn.
                    async with self._turn:
                        await asyncio.sleep(0)
                    turn_ends = time.monotonic() + TURN_SECONDS
                intake.feed(part)
        intake.end()
        return intake
