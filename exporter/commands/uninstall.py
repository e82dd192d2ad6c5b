"""
`uninstall`: before the exporter goes, have the broker keep nothing for it.

`enable` is the way back. They talk to the broker alone: no setting is read, and no
service needs to run.
"""

import argparse
import asyncio
import json
import math
import sys
from collections.abc import Callable

from exporter.broker.actuator import USUAL, ActuatorError, open_actuator
from exporter.broker.changing import Changed, Step, change, enabling, releasing
from exporter.broker.takeover import exporter_id
from exporter.config.declaration import PREFIX
from exporter.config.rules import HTTP_URL

SECONDS = 60.0


def uninstall(args: argparse.Namespace) -> int:
    """Have the broker stop exporting to us, and keep its log for us no longer."""
    released = asyncio.run(_changed(args, releasing))
    name, known = released.exporter, bool(released.statuses)
    if args.json:
        status = "DISABLED" if known else None
        print(json.dumps({"id": name, "status": status, "forgotten": not known}))
    else:
        print(f"{name} is {'disabled' if known else 'not known'}")
    _say(advice(released))
    return 0


def enable(args: argparse.Namespace) -> int:
    """Have the broker export to us again, after an uninstall."""
    enabled = asyncio.run(_changed(args, enabling))
    name, others = enabled.exporter, ", ".join(enabled.others) or "none at all"
    if "ENABLED" not in enabled.statuses:
        raise ActuatorError(
            f"The broker has no variables for an exporter {name}; it lists {others}",
            remedy="Give every broker its variables, and restart them: docs/broker.md",
        )
    print(json.dumps({"id": name}) if args.json else f"{name} is enabled")
    _say(f"{name} gets what happens from now on")
    return 0


def advice(released: Changed) -> str:
    """Return what became of it, and what is left to do."""
    name = released.exporter
    if released.statuses:
        return (
            f"{name} gets nothing more, and no log is kept for it. Now remove its "
            f"variables from every broker (or set {PREFIX}ENABLED=false where the "
            "image has us in it, or with Helm the flag), and restart them. The "
            "brokers' list shows it as DISABLED from now on, which costs nothing; "
            "should it ever export again, `enable` says so to the broker"
        )
    if released.asked:
        return f"The broker has forgotten {name}, and keeps no log for it any more"
    others = ", ".join(released.others) or "none at all"
    return f"Nothing to do: the broker has no exporter {name}. It lists {others}"


def add_to(command: argparse.ArgumentParser) -> None:
    """Say what may follow the name of the command."""
    add_broker_to(command)
    command.add_argument(
        "--id",
        default=exporter_id(),
        metavar="ID",
        help="of the exporter in the broker (default: %(default)s)",
    )
    command.add_argument(
        "--physical-tenant",
        default="",
        metavar="ID",
        help="only the exporter of this physical tenant (default: of all of them)",
    )
    command.add_argument(
        "--timeout",
        type=_seconds,
        default=SECONDS,
        metavar="SECONDS",
        help="how long the broker may take for it (default: %(default)g)",
    )


def add_broker_to(command: argparse.ArgumentParser) -> None:
    """Let the broker be named."""
    command.add_argument(
        "--broker",
        type=_url,
        metavar="URL",
        help=f"management port of a broker or gateway (default: {USUAL})",
    )


async def _changed(args: argparse.Namespace, next_step: Callable[..., Step]) -> Changed:
    broker, tenant = args.broker or USUAL, args.physical_tenant
    async with open_actuator(broker, tenant=tenant) as actuator:
        return await change(actuator, args.id, next_step, args.timeout, _say)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _url(text: str) -> str:
    if HTTP_URL.accepts(text):
        return text
    raise argparse.ArgumentTypeError(f"must be {HTTP_URL.description}, like {USUAL}")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if 0 <= seconds < math.inf:
        return seconds
    raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number of seconds")
