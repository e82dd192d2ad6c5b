"""
`stub-backend`: a backend for trying the exporter; it prints the events it gets.

It stores nothing and needs no key.
"""

import argparse
import asyncio
from itertools import zip_longest
from typing import Any

from aiohttp import web

from exporter.base import codec
from exporter.base.process import asked_to_stop, discard_stdout
from exporter.commands.arguments import Subparsers, add_command, value_of
from exporter.commands.printing import as_json, say
from exporter.config.rules import HOST, PORT, whole
from exporter.net.listening import address, listening

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


def add_to(commands: Subparsers) -> None:
    """Add `stub-backend` to *commands*."""
    about = {"description": DESCRIPTION, "epilog": EPILOG}
    command = add_command(commands, "stub-backend", stub_backend, json=False, **about)
    for option, kind, default, meaning in (
        ("--host", value_of(HOST), "127.0.0.1", "where to listen; 0.0.0.0 for all"),
        ("--port", value_of(PORT, int), 8080, "port to listen on"),
        ("--status", value_of(whole(200, 599), int), 200, "the answer to every batch"),
    ):
        help_ = f"{meaning} (default: %(default)s)"
        command.add_argument(option, type=kind, default=default, help=help_)


def stub_backend(args: argparse.Namespace) -> int:
    """Run a backend for trying the exporter: it prints every event."""
    asyncio.run(serve(args.host, args.port, args.status))
    return 0


async def serve(host: str, port: int, status: int) -> None:
    """Serve until a signal to stop, or until stdout is closed."""
    stopping = asked_to_stop()

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def take(request: web.Request) -> web.Response:
        ids = request.headers.get("X-Event-Ids")
        try:
            events = events_in(await request.read())
        except ValueError as error:
            say(f"answered 400: {error}")
            return web.Response(status=400, text=f"{error}\n")
        if status >= 300:
            say(f"answered {status}, and printed none of {len(events)} events")
            return web.Response(status=status)
        try:
            for name, event in zip_longest(ids.split(",") if ids else (), events):
                print(as_json({"id": name, "event": event}, indent=None), flush=True)
        except BrokenPipeError:
            discard_stdout()
            stopping.set()
            return web.Response(status=503)
        return web.Response(status=status)

    app = web.Application(client_max_size=BIGGEST_BATCH)
    app.add_routes([web.get("/", healthy), web.post("/{path:.*}", take)])
    async with listening(app, host, port, names=("--host", "--port")) as found:
        say(f"listening on {address(host, found)}, answers {status}")
        await stopping.wait()


def events_in(body: bytes) -> list[Any]:
    """Return the events of a batch; raise ValueError if *body* isn't a batch."""
    try:
        batch = codec.decode(body)
    except ValueError:
        raise ValueError("the body isn't JSON") from None
    match batch:
        case {"events": list(events)}:
            return events
        case list():  # CloudEvents
            return batch
        case {"specversion": _}:  # a single CloudEvent
            return [batch]
    raise ValueError('the body is neither {"events": [...]} nor CloudEvents')
