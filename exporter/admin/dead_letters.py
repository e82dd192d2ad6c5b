"""Dead letters on the admin port: list, retry and drop them."""

import base64
import logging
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf, Range, Regexp

from exporter.admin.guard import loaded, reply
from exporter.base import codec
from exporter.spool import Choice, DeadLetter, Spool, Window

PATH = "/dead-letters"
MOST_LETTERS = 500
"""How many one page holds at most."""
MOST_IDS = 1000
"""How many ids one request holds at most."""
LARGEST_ID = 2**63 - 1
IS_ID = Range(1, LARGEST_ID)
ROOM = 512
"""Levels left for callers: libraries fail at a depth of about 1000."""

log = logging.getLogger(__name__)


class Body(Schema):
    """A choice of dead letters; null as `ids` chooses all of them."""

    ids = fields.List(
        fields.Int(strict=True, validate=IS_ID),
        required=True,
        allow_none=True,
        validate=Length(max=MOST_IDS),
    )
    backend = fields.Str(validate=Regexp("[!-~]+$", error="Must be a backend's name."))
    status = fields.Int(strict=True, validate=IS_ID)


class Query(Body):
    """The parameters of a list, which are all text."""

    ids = fields.List(fields.Int(validate=IS_ID), validate=Length(max=MOST_IDS))
    status = fields.Int(validate=IS_ID)
    after = fields.Int(load_default=0, validate=Range(0, LARGEST_ID))
    before = fields.Int(load_default=LARGEST_ID, validate=Range(0, LARGEST_ID))
    limit = fields.Int(load_default=100, validate=Range(1, MOST_LETTERS))
    order = fields.Str(load_default="oldest", validate=OneOf(["oldest", "newest"]))
    body = fields.Str(load_default="true", validate=OneOf(["true", "false"]))


def routes(spool: Spool, cluster_id: str) -> list[web.RouteDef]:
    """Return the routes for the dead letters of *spool*."""

    async def show(request: web.Request) -> web.Response:
        query: dict[str, Any] = {**request.query}
        if "ids" in query:
            query["ids"] = query["ids"].split(",")
        asked = loaded(Query(), query)
        newest_first = asked["order"] == "newest"
        page = await spool.dead_letter_page(
            Choice(*map(asked.get, Choice._fields)),
            Window(asked["after"], asked["before"], newest_first),
            asked["limit"],
        )
        body, rest = asked["body"] == "true", page.rest
        next_id = rest and (rest.before if newest_first else rest.after)
        shown = [_shown(letter, cluster_id, body=body) for letter in page.letters]
        return reply({"dead_letters": shown, "next": next_id})

    async def retry(request: web.Request) -> web.Response:
        handled = await spool.retry(Choice(**loaded(Body(), await request.read())))
        log.info("dead letters wait again", extra={"dead_letters": handled.count})
        return reply(
            {
                "retried": handled.count,
                "never_events": handled.never_events,
                "never_event_ids": handled.never_event_ids,
                "of_no_backend": handled.of_no_backend,
                "unknown": handled.unknown,
            }
        )

    async def drop(request: web.Request) -> web.Response:
        handled = await spool.drop(Choice(**loaded(Body(), await request.read())))
        log.info("dead letters dropped", extra={"dead_letters": handled.count})
        return reply({"dropped": handled.count, "unknown": handled.unknown})

    return [
        web.get(PATH, show),
        web.post(f"{PATH}/retry", retry),
        web.post(f"{PATH}/drop", drop),
    ]


def _shown(letter: DeadLetter, cluster_id: str, *, body: bool) -> dict[str, Any]:
    event, before = letter.event, f"{cluster_id}-" if cluster_id else ""
    created = datetime.fromtimestamp(letter.created / 1000, UTC)
    return {
        "id": letter.id,
        "time": created.isoformat(timespec="milliseconds")[:-6] + "Z",
        "event": before + event.identity if event else None,
        "reason": letter.reason,
        "status": letter.status,
        "answer": letter.answer,
        "attempts": letter.attempts,
        "backend": letter.backend,
        "physical_tenant": event and event.tenant,
        "partition": event and event.partition,
        "position": event and event.position,
        "timestamp": event and event.timestamp,
        # Keys travel as text: JavaScript and jq round integers above 2**53.
        "key": event and str(event.key),
        "instance": event and str(event.instance),
        "record": letter.action or None,
        "bytes": len(letter.body),
        **(_readable(letter.body) if body else {}),
    }


def _readable(body: bytes) -> dict[str, Any]:
    """Return *body* as JSON, text or base64, and which of them."""
    try:
        nested = value = codec.decode(body)
        for _ in range(ROOM):
            nested = [nested]
        codec.encode(nested)  # some values can be read but not written
    except (ValueError, OverflowError, RecursionError):
        pass
    else:
        return {"body_form": "json", "body": value}
    try:
        return {"body_form": "text", "body": body.decode()}
    except UnicodeDecodeError:
        return {"body_form": "base64", "body": base64.b64encode(body).decode()}
