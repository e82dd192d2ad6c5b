"""
`status`: is it delivering, and if not, why and what to do.

The running service is asked on its admin port. While none holds the spool, what waits
is read from there.
"""

import argparse
import asyncio
import json
import time
from typing import Any

from exporter import settings
from exporter.commands.client import AdminPort, holder
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
    async with holder(settings) as found:
        if isinstance(found, AdminPort):
            answer: dict[str, Any] = await found.get("/status")
            return answer
        oldest = {name: await found.oldest(name) for name in found.outboxes}
        return status_without_service(found, oldest, time.time())
