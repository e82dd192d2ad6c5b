"""
`stub-backend`: a backend for trying the exporter; it prints the events it gets.

It stores nothing and needs no key.
"""

import argparse
import asyncio

from aiohttp import web

from exporter.base import codec
from exporter.base.process import asked_to_stop, discard_stdout
from exporter.commands.arguments import Subparsers, add_command, value_of
from exporter.commands.printing import as_json
from exporter.commands.printing import say as say_plainly
from exporter.config.rules import HOST, PORT, whole
from exporter.net.listening import address, listening

NAME = "stub-backend"
MEANING = "Run a backend for trying the exporter: it prints every event."
DESCRIPTION = """\
A backend for trying the exporter, not for production: it needs no key and stores
nothing. It accepts a batch by POST on any path, and prints each event as a line on
stdout: {"id": "<its id in X-Event-Ids>", "event": {...}}. GET / answers 200. It runs
until SIGTERM or SIGINT."""
EPILOG = """\
examples:
  %(prog)s
  APP_INTEGRATIONS_URL=http://127.0.0.1:8080/events app-integrations-exporter run
  %(prog)s --status 503  # a backend in trouble
  %(prog)s | jq .event.intent  # only the intents

How to write a real backend: docs/backend.md."""

BIGGEST_BATCH = 64 * 1024 * 1024
STATUS = whole(200, 599)


class StubBackend:
    """Prints the events of every batch, and always answers with the same status."""

    def __init__(self, status: int, stopping: asyncio.Event) -> None:
        """Answer *status*; set *stopping* when stdout is closed."""
        self._status = status
        self._stopping = stopping

    def app(self) -> web.Application:
        """Return its routes."""
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
        except BrokenPipeError:
            discard_stdout()
            self._stopping.set()
            return web.Response(status=503)
        return web.Response(status=self._status)


def lines_of(body: bytes, ids: str) -> list[str]:
    """Return a line for each event of a batch; raise ValueError if it isn't a batch."""
    try:
        batch = codec.decode(body)
    except ValueError:
        raise ValueError("the body isn't JSON") from None
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
    """Serve until a signal to stop, or until stdout is closed."""
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
    command = add_command(
        commands,
        NAME,
        stub_backend,
        meaning=MEANING,
        description=DESCRIPTION,
        epilog=EPILOG,
        json=False,
    )
    for option, kind, default, meaning in (
        (
            "--host",
            value_of(HOST),
            "127.0.0.1",
            "address to listen on; 0.0.0.0 for all",
        ),
        ("--port", value_of(PORT, int), 8080, "port to listen on"),
        ("--status", value_of(STATUS, int), 200, "the answer to every batch"),
    ):
        command.add_argument(
            option,
            type=kind,
            default=default,
            metavar=option[2:].upper(),
            help=f"{meaning} (default: %(default)s)",
        )


def say(text: str) -> None:
    """Print *text* for people, apart from the events."""
    say_plainly(f"{NAME}: {text}")
