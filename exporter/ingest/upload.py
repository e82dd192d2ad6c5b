"""
The bodies of bulk requests, as they arrive: how large and how slow they may be.

All limits are above what a broker sends, because it repeats a refused body for ever.
"""

import asyncio
import time
from http import HTTPStatus

import aiohttp
from aiohttp import web

from exporter.events import Mapper
from exporter.ingest.budget import SMALL, Budget, BusyError, Share
from exporter.ingest.intake import Intake
from exporter.ingest.refusals import RefusedError

LARGEST_BODY = 128 * 1024 * 1024
"""A broker sends 10 MiB and one record; it warns when told to send more than 100 MB."""
MOST_RECORDS = 250_000
"""Records in one body; a broker sends 1,000 by default."""
RECORD_BYTES = 1024
"""Memory that a record takes in addition to its bytes."""
SLICE = 4 * 1024
"""Bytes parsed at once; tiny lines make that take some milliseconds."""
TURN_SECONDS = 0.005
"""How long a large body is read before the others get a turn."""
BODY_SECONDS = 120.0
"""A broker has its whole body ready before it sends the first byte."""


class Uploads:
    """All bodies that are arriving."""

    def __init__(self, mapper: Mapper) -> None:
        """Read records with *mapper*."""
        self._mapper = mapper
        self.budget = Budget()
        self._turn = asyncio.Lock()
        self._arriving: set[asyncio.Timeout] = set()
        """A timeout for each body; it expires early when the service stops."""
        self._stopping = False

    def stop(self) -> None:
        """End all uploads at once: the broker repeats them."""
        self._stopping = True
        for upload in self._arriving:
            if not upload.expired():
                upload.reschedule(0)

    async def take(self, request: web.Request, share: Share) -> Intake:
        """Return the content of the body of *request*; raise `RefusedError`."""
        upload = asyncio.timeout(0 if self._stopping else BODY_SECONDS)
        self._arriving.add(upload)
        try:
            async with upload:
                return await self._read(request, share)
        except BusyError as error:
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, error) from None
        except TimeoutError:
            if self._stopping:
                status, reason = HTTPStatus.SERVICE_UNAVAILABLE, "The exporter stops"
            else:
                status, reason = HTTPStatus.REQUEST_TIMEOUT, "The body took too long"
        except (aiohttp.ClientError, web.RequestPayloadError, OSError) as error:
            # The request holds the error, whose traceback holds the body.
            error.with_traceback(None)
            status, reason = HTTPStatus.BAD_REQUEST, f"The body broke off ({error})"
        finally:
            self._arriving.remove(upload)
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
                        f"One request has more than {LARGEST_BODY} bytes or "
                        f"{MOST_RECORDS} records: lower the exporter's "
                        "bulk.memoryLimit or bulk.size",
                    )
                await self.budget.hold(
                    share, received + len(intake.answers) * RECORD_BYTES
                )
                if share.size > SMALL and time.monotonic() > turn_ends:
                    async with (
                        self._turn
                    ):  # one large body at a time, and all small ones
                        await asyncio.sleep(0)
                    turn_ends = time.monotonic() + TURN_SECONDS
                intake.feed(part)
        intake.end()
        return intake
