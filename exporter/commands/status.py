"""
`status`: is it delivering, and if not, why and what to do.

While no service runs, it shows what waits in the spool.
"""

import argparse
import asyncio
import json
import sys
import time
from typing import Any

from exporter.commands.client import admin_port
from exporter.commands.status_lines import lines_of
from exporter.config import settings
from exporter.config.settings import SpoolLocation

LOOK_SECONDS = 5.0


def status(args: argparse.Namespace) -> int:
    """Tell whether events are delivered, and if not, why and what to do."""
    answer = asyncio.run(_status(settings.spool_location()))
    while args.wait and "ingest" in answer and (events := _waiting(answer)):
        print(f"{events:,} events wait", file=sys.stderr, flush=True)
        time.sleep(LOOK_SECONDS)
        answer = asyncio.run(_status(settings.spool_location()))
    if args.json:
        print(json.dumps(answer, indent=2))
    else:
        print("\n".join(lines_of(answer)))
    return 0 if answer["ok"] else 1


def add_to(command: argparse.ArgumentParser) -> None:
    """Say what may follow the name of the command."""
    command.add_argument(
        "--wait",
        action="store_true",
        help="wait until no event waits any more, then answer",
    )


def _waiting(answer: dict[str, Any]) -> int:
    return sum(each["waiting"]["events"] for each in answer["backends"].values())


async def withheld() -> dict[str, Any] | None:
    """Return what the broker withholds from the running service, if there is one."""
    answer = await _status(settings.spool_location())
    told: dict[str, Any] | None = answer.get("ingest", {}).get("withheld")
    return told


async def _status(settings: SpoolLocation) -> dict[str, Any]:
    async with admin_port(settings) as port:
        answer: dict[str, Any] = await port.get("/status")
        return answer
