"""Dead letters on the admin port: list, retry and drop them."""

import base64
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from exporter.admin.guard import InputError, reply
from exporter.base import codec
from exporter.spool import Choice, DeadLetter, Handled, Spool, Window

PATH = "/dead-letters"
MOST_LETTERS = 500
"""How many one page holds at most."""
MOST_IDS = 1000
"""How many ids one request holds at most."""
LARGEST_ID = 2**63 - 1
ROOM = 512
"""Levels left for callers: libraries fail at a depth of about 1000."""
PARAMETERS = frozenset(
    {"after", "backend", "before", "body", "ids", "limit", "order", "status"}
)

log = logging.getLogger(__name__)


def routes(spool: Spool, cluster_id: str) -> list[web.RouteDef]:
    """Return the routes for the dead letters of *spool*."""

    async def show(request: web.Request) -> web.Response:
        choice, window, limit, body = _query(request.query)
        page = await spool.dead_letter_page(choice, window, limit)
        rest = page.rest
        next_id = rest and (rest.before if rest.newest_first else rest.after)
        shown = [_shown(letter, cluster_id, body=body) for letter in page.letters]
        return reply({"dead_letters": shown, "next": next_id})

    async def retry(request: web.Request) -> web.Response:
        handled = await spool.retry(_choice(await request.read()))
        _log("dead letters wait again", handled)
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
        handled = await spool.drop(_choice(await request.read()))
        _log("dead letters dropped", handled)
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


def _log(message: str, handled: Handled) -> None:
    if handled.count:
        log.info(message, extra={"dead_letters": handled.count})


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


def _query(query: Mapping[str, str]) -> tuple[Choice, Window, int, bool]:
    if unknown := sorted(query.keys() - PARAMETERS):
        raise InputError(
            f"{unknown[0]!r} isn't a parameter",
            remedy=f"Use one of {', '.join(sorted(PARAMETERS))}",
        )
    ids = query.get("ids")
    choice = Choice(
        None if ids is None else _ids([_number("ids", i, 1) for i in ids.split(",")]),
        query.get("backend"),
        _number("status", query["status"], 1) if "status" in query else None,
    )
    window = Window(
        after=_number("after", query.get("after", "0"), 0),
        before=_number("before", query.get("before", str(LARGEST_ID)), 0),
        newest_first=_one_of("order", query, "oldest", "newest") == "newest",
    )
    limit = _number("limit", query.get("limit", "100"), 1, MOST_LETTERS)
    return choice, window, limit, _one_of("body", query, "true", "false") == "true"


def _choice(body: bytes) -> Choice:
    """Return the choice in *body*; `"ids": null` chooses all dead letters."""
    try:
        chosen = codec.decode(body)
    except ValueError:
        chosen = None
    if not (
        isinstance(chosen, dict)
        and "ids" in chosen
        and chosen.keys() <= {*Choice._fields}
        and isinstance(name := chosen.get("backend", ""), str)
        and name.isascii()
        and _is_id(chosen.get("status", 1))
    ):
        raise InputError(
            "The body isn't valid",
            remedy='Send {"ids": [1, 2]}, {"ids": null} for all of them, or '
            '{"ids": null, "backend": "its name", "status": 422}',
        )
    ids, backend, status = map(chosen.get, Choice._fields)
    return Choice(None if ids is None else _ids(ids), backend, status)


def _ids(values: Any) -> list[int]:
    if not (isinstance(values, list) and all(map(_is_id, values))):
        raise InputError(
            "ids isn't a list of ids", remedy="Send a list of whole numbers from 1"
        )
    if len(values) > MOST_IDS:
        raise InputError(
            f"ids has {len(values)} numbers", remedy=f"Send at most {MOST_IDS} at once"
        )
    return values


def _is_id(value: object) -> bool:
    return type(value) is int and 0 < value <= LARGEST_ID


def _number(name: str, text: str, least: int, most: int = LARGEST_ID) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1
    if not least <= number <= most:
        raise InputError(
            f"{name} is {text[:40]!r}",
            remedy=f"Send a whole number from {least} to {most}",
        )
    return number


def _one_of(name: str, query: Mapping[str, str], usual: str, other: str) -> str:
    value = query.get(name, usual)
    if value not in (usual, other):
        raise InputError(f"{name} is {value[:40]!r}", remedy=f"Send {usual} or {other}")
    return value
