"""`make demo`: complete user tasks, and show each event when it arrives."""

import argparse
import asyncio
import math
import re
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from itertools import cycle
from pathlib import Path
from typing import Any, cast

import aiohttp
from rich.console import Console
from rich.text import Text

from devkit.backend import Answer, Arrival, Backend, Request
from devkit.broker import Broker
from devkit.client import Client, CommandError
from devkit.image import HOST, LICENCE, engine_in_docker, image_version
from devkit.processes import LOOPBACK, ROOT, Exporter, StartError, free_port
from devkit.stories import RECORDINGS, VERSIONS, recording
from exporter.base.errors import ExporterError
from exporter.broker.environment import broker_environment

NEWEST = VERSIONS[-1]
MODEL, INSTANCES, PAUSE_SECONDS = "fx-ext", 12, 0.1
LIFE = {"CREATED": "cyan", "ASSIGNED": "yellow", "COMPLETED": "green"}
PEOPLE = ("ann", "ben", "cleo", "dana")
PATIENCE_SECONDS = 20.0
"""After this time without an event, the remaining ones count as missing."""
PERFECT = "Every event arrived, exactly once and in order."
FAILURES = (ExporterError, StartError, CommandError, aiohttp.ClientError, OSError)

DESCRIPTION = """\
Run an engine, the exporter and a backend on this machine, and show every event. Exit
status: 0 if all events arrived once and in order, 1 if not, 130 if stopped."""
RECORDED = """
The engine is recorded: it plays records of a real Camunda engine (8.9.0-rc2), and sends
them as the broker's own exporter does. The exporter, its files and its requests are
real; the backend is a stub."""
REAL = """
The engine is real and runs from the image. The exporter, its files and all requests are
real; the backend is a stub."""
FLOW = """
  engine    {demo.rest}/v2
  exporter  {demo.exporter.ingest_url}, metrics and health: {demo.exporter.admin_url}
  backend   {demo.backend.url}

Four people take turns to claim and complete user tasks. Each line is an event that the
backend received, with the time since the engine wrote it.
"""
YOUR_TURN = """
Everything runs until Ctrl-C. In another terminal, make the backend fail:
  curl -X PUT http://{loopback}:{demo.backend.port}/answer/503
Complete the open task (no output means success); its event waits in the exporter:
  curl {demo.rest}/v2/user-tasks/{task}/completion \\
    -H 'Content-Type: application/json' -d '{{}}'
Make the backend accept events again; at the next attempt, within a minute, the waiting
event arrives, then the next task's:
  curl -X PUT http://{loopback}:{demo.backend.port}/answer/200
Show the exporter's status at any time:
  cd {root} && APP_INTEGRATIONS_SPOOL_DIR={demo.work}/spool \\
    APP_INTEGRATIONS_ADMIN_PORT={demo.exporter.admin_port} {python} -m exporter status
"""


def summarize(
    instances: Iterable[str], arrivals: Sequence[Arrival]
) -> dict[str, float]:
    """Compare *arrivals* with the events owed for one task in each of *instances*."""
    due = Counter((each, intent) for each in instances for intent in LIFE)
    came = Counter((each.instance, each.intent) for each in arrivals)
    took = sorted((each.at - each.written) * 1000 for each in arrivals)
    newest: dict[str, int] = {}
    disordered = 0
    for each in arrivals:
        before = newest.get(each.instance, -1)
        disordered += each.position < before
        newest[each.instance] = max(each.position, before)
    return {
        "expected": due.total(),
        "received": len(arrivals),
        "missing": (due - came).total(),
        "duplicates": (came - due).total(),
        "order violations": disordered,
        "p50, ms": percentile(took, 0.5),
        "p95, ms": percentile(took, 0.95),
        "longest, ms": percentile(took, 1),
    }


def faults(summary: dict[str, float]) -> str:
    """Return the faults that a *summary* shows, or "" if there are none."""
    names = ("missing", "duplicates", "order violations")
    return ", ".join(f"{summary[each]} {each}" for each in names if summary[each])


def percentile(ascending: Sequence[float], share: float) -> float:
    """Return the smallest value that at least *share* of all values don't exceed."""
    index = math.ceil(share * len(ascending)) - 1
    return round(ascending[index], 1) if ascending else math.nan


class DemoBackend(Backend):
    """A backend whose answers change with `PUT /answer/<status>`."""

    async def respond(self, request: Request) -> Answer:
        """Change the planned answer, or give it."""
        found = re.fullmatch("/answer/([2-5][0-9]{2})", request.path)
        if not found:
            return await super().respond(request)
        self.answer = int(found[1])
        return Answer(body=b"The backend answers %d from now on.\n" % self.answer)


class Demo:
    """Engine, exporter and backend."""

    def __init__(self, image: str, console: Console, work: Path) -> None:
        """Keep files in *work*; without an *image*, use the recorded engine."""
        self._image, self._console, self.work = image, console, work
        self.backend = DemoBackend()
        password = secrets.token_hex()
        self.exporter = Exporter(
            work,
            self.backend.url,
            # A container can't reach the loopback of its host.
            INGEST_HOST="0.0.0.0" if image else LOOPBACK,  # noqa: S104
            INGEST_USERNAME="demo",
            INGEST_PASSWORD=password,
            LOG_FORMAT="text",
        )
        version = image_version(image) if image else NEWEST
        url = f"http://{HOST if image else LOOPBACK}:{self.exporter.ingest_port}"
        variables = broker_environment(version, url, username="demo", password=password)
        rest, management = free_port(), free_port()
        self.rest = f"http://{LOOPBACK}:{rest}"
        self._client = Client(self.rest)
        self._engine: AbstractAsyncContextManager[object]
        if image:
            self._engine = engine_in_docker(image, variables, work, rest, management)
        else:
            self._engine = Broker(NEWEST, variables | {"SERVER_PORT": f"{rest}"})

    async def run(self, *, keep: bool) -> str:
        """Run the demo, and return the faults; with *keep*, wait for a signal first."""
        me = cast("asyncio.Task[Any]", asyncio.current_task())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, me.cancel)
        if self._image:
            self._console.print(LICENCE.format(self._image))
            self._console.print("Starting the engine; a download takes minutes.")
        async with self.backend, self.exporter:
            async with self._engine, self._client:
                await self.exporter.run()
                self._console.print(REAL if self._image else RECORDED)
                self._console.print(FLOW.format(demo=self))
                instances = await self._walk()
                if keep:
                    wrong = self._show_summary(instances)
                    with suppress(asyncio.CancelledError):  # only a signal ends it
                        await self._stay()
                    return wrong
            # The exporter delivers waiting events before it ends.
            await self.exporter.stop()
            return self._show_summary(instances)

    async def _walk(self) -> list[str]:
        """Start instances, complete their tasks, and return the instances' keys."""
        await self._client.deploy(recording(RECORDINGS / NEWEST).deployments[MODEL])
        instances: list[str] = []
        people, seen = cycle(PEOPLE), set[str]()

        async def start() -> None:
            for _ in range(INSTANCES):
                answer = await self._client.create_instance(MODEL)
                instances.append(str(answer["processInstanceKey"]))
                await asyncio.sleep(PAUSE_SECONDS)

        async def work() -> None:
            while len(seen) < INSTANCES * len(LIFE):
                new = await asyncio.wait_for(self._next(), PATIENCE_SECONDS)
                if new.identity not in seen and new.intent == "CREATED":
                    await self._client.assign(new.task, next(people), override=False)
                elif new.identity not in seen and new.intent == "ASSIGNED":
                    await self._client.complete(new.task)
                seen.add(new.identity)

        with suppress(TimeoutError):
            await asyncio.gather(start(), work())
        return instances

    async def _next(self) -> Arrival:
        """Show the next event, and return it."""
        new = await self.backend.news.get()
        at = time.strftime("%H:%M:%S", time.localtime(new.at))
        took = f" {(new.at - new.written) * 1000:8.1f} ms  "
        intent = f"{new.intent:9}", LIFE.get(new.intent, "magenta")
        task = f"  task {new.task}  {new.event['assignee'] or ''}"
        self._console.print(Text.assemble((at, "dim"), took, intent, task))
        return new

    async def _stay(self) -> None:
        """Keep one task open for the user to complete; never return."""
        await self._client.create_instance(MODEL)
        task = (await self._next()).task
        more = {"loopback": LOOPBACK, "root": ROOT, "python": sys.executable}
        self._console.print(YOUR_TURN.format(demo=self, task=task, **more))
        while True:
            if (await self._next()).intent == "COMPLETED":
                await self._client.create_instance(MODEL)

    def _show_summary(self, instances: list[str]) -> str:
        """Show the summary, and return the faults."""
        summary = summarize(instances, self.backend.arrivals)
        for name, value in summary.items():
            self._console.print(f"  {name:16} {value}")
        wrong = faults(summary)
        if wrong:
            log = self.exporter.text[-2000:]
            self._console.print(f"The exporter's log ends:\n{log}")
            self._console.print(f"Events are wrong: {wrong}.", style="red")
        else:
            self._console.print(PERFECT, style="green")
        return wrong


def main() -> int:
    """Run the demo; return 0 if every event arrived once and in order."""
    parser = argparse.ArgumentParser(prog="make demo", description=DESCRIPTION)
    parser.add_argument("--engine", default="", metavar="IMAGE", help="run this image")
    parser.add_argument("--keep", action="store_true", help="keep running until Ctrl-C")
    options = parser.parse_args()
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    try:
        with tempfile.TemporaryDirectory(prefix="app-integrations-demo-") as files:
            demo = Demo(options.engine, console, Path(files))
            return int(bool(asyncio.run(demo.run(keep=options.keep))))
    except asyncio.CancelledError:
        with suppress(OSError):  # the terminal may be gone
            console.print("Stopped.")
        return 130
    except FAILURES as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
