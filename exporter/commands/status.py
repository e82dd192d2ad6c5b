"""
`status`: is it delivering, and if not, why and what to do.

The running service is asked on its admin port. While none holds the spool, what waits
is read from there.
"""

import argparse
import asyncio
import json
import time
from contextlib import ExitStack
from typing import Any

from exporter import settings
from exporter.commands.client import admin_port, own_spool
from exporter.commands.status_lines import lines_of
from exporter.operations.status import status_without_service
from exporter.settings import Whereabouts


def status(args: argparse.Namespace) -> int:
    """Tell whether events are delivered, and if not, why and what to do."""
    answer = asyncio.run(_status(settings.whereabouts()))
    if args.json:
        print(json.dumps(answer, indent=2))
    else:
        print("\n".join(lines_of(answer)))
    return 0 if answer["ok"] else 1


async def _status(settings: Whereabouts) -> dict[str, Any]:
    with ExitStack() as stack:
        if spool := own_spool(settings, stack):
            oldest = {name: await spool.oldest(name) for name in spool.outboxes}
            return status_without_service(spool, oldest, time.time())
    async with admin_port(settings) as port:
        answer: dict[str, Any] = await port.get("/status")
        return answer
