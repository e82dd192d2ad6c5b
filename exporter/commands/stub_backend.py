"""
`stub-backend`: a backend that shows what it gets, to try the exporter with.

It keeps nothing and asks nobody for a key: what it shows is the exporter's doing.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any

from aiohttp import web

from exporter.base import codec
from exporter.base.stopping import asked_to_stop
from exporter.commands.printing import as_json
from exporter.config.rules import HOST, PORT, Rule, whole
from exporter.net.listening import address, listening

NAME = "stub-backend"
MEANING = "Play the backend, to try the exporter: print every event that arrives."
DESCRIPTION = """\
A backend to try the exporter with, not one for production: it asks nobody for a key,
and keeps nothing. POST on any path takes a batch, and each of its events becomes a line
on stdout: {"id": "<its id in X-Event-Ids>", "event": {...}}. GET / answers 200. It runs
until SIGTERM or SIGINT."""
EPILOG = """\
examples:
  %(prog)s
  APP_INTEGRATIONS_URL=http://127.0.0.1:8080/events app-integrations-exporter run
  %(prog)s --status 503  # a backend in trouble
  %(prog)s | jq .event.intent  # what happened, and no more

What a real backend gets and should answer: docs/backend.md."""

BIGGEST_BATCH = 64 * 1024 * 1024
STATUS = whole(200, 599)

Subparsers = Any  # argparse doesn't name it


class StubBackend:
    """Prints the events of every batch, and answers all of them alike."""

    def __init__(self, status: int, stopping: asyncio.Event) -> None:
        """Answer *status*; set *stopping* when nobody reads what is printed."""
        self._status = status
        self._stopping = stopping

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(client_max_size=BIGGEST_BATCH)
        app.add_routes(
            [web.get("/", self._healthy), web.post("/{path:.*}", self._take)]
        )
        return app

    async def _healthy(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _take(self, request: web.Request) -> web.Response:
        ids = request.headers.get("X-Event-Ids", "")
        try:
            lines = lines_of(await request.read(), ids)
        except ValueError as error:
            say(f"answered 400: {error}")
            return web.Response(status=400, text=f"{error}\n")
        if not 200 <= self._status < 300:
            say(f"answered {self._status}, and printed none of {len(lines)} events")
            return web.Response(status=self._status)
        try:
            print(*lines, sep="", end="", flush=True)
        except BrokenPipeError:  # whoever read had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._stopping.set()
            return web.Response(status=503)
        return web.Response(status=self._status)


def lines_of(body: bytes, ids: str) -> list[str]:
    """Return a line for each event of a batch; a `ValueError` says why it is none."""
    try:
        batch = codec.decode(body)
    except ValueError:
        raise ValueError("the body is no JSON") from None
    match batch:
        case {"events": list(events)}:
            pass
        case list(events):  # CloudEvents
            pass
        case _:
            raise ValueError('the body is neither {"events": [...]} nor a list')
    named = ids.split(",") if ids else [None] * len(events)
    if len(named) != len(events):
        raise ValueError(f"{len(events)} events, but {len(named)} ids in X-Event-Ids")
    return [
        as_json({"id": each, "event": event}, indent=None) + "\n"
        for each, event in zip(named, events, strict=True)
    ]


def stub_backend(args: argparse.Namespace) -> int:
    """Serve until somebody asks to stop, or until nobody reads any more."""
    asyncio.run(_serve(args.host, args.port, args.status))
    return 0


async def _serve(host: str, port: int, status: int) -> None:
    stopping = asked_to_stop()
    app = StubBackend(status, stopping).app()
    async with listening(app, host, port, names=("--host", "--port")) as found:
        say(f"listening on {address(host, found)}, answers {status}")
        await stopping.wait()


def add_to(commands: Subparsers) -> None:
    """Add `stub-backend` to *commands*."""
    command = commands.add_parser(
        NAME,
        help=MEANING,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(call=stub_backend)
    for option, kind, default, metavar, meaning in (
        ("--host", _host, "127.0.0.1", "HOST", "where to listen; 0.0.0.0 is anywhere"),
        ("--port", _number(PORT), 8080, "PORT", "the port there"),
        ("--status", _number(STATUS), 200, "STATUS", "the answer to every batch"),
    ):
        command.add_argument(
            option,
            type=kind,
            default=default,
            metavar=metavar,
            help=f"{meaning} (default: %(default)s)",
        )


def _host(text: str) -> str:
    if HOST.accepts(text):
        return text
    raise argparse.ArgumentTypeError(f"must be {HOST.description}")


def _number(rule: Rule) -> Callable[[str], int]:
    """Return what reads a number that *rule* accepts."""

    def read(text: str) -> int:
        digits = text.isascii() and text.isdigit() and len(text) < 10
        if digits and rule.accepts(int(text)):
            return int(text)
        raise argparse.ArgumentTypeError(f"must be {rule.description}")

    return read


def say(text: str) -> None:
    """Tell people *text*, apart from the events."""
    print(f"{NAME}: {text}", file=sys.stderr, flush=True)
