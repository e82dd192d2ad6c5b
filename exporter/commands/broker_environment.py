"""
`broker-environment`: what a broker must be told, for whoever starts it by hand.

stdout holds only the variables, as files of an environment have them.
"""

import argparse
import json
import sys

from exporter.broker.environment import PASSWORD, exporting
from exporter.broker.takeover import exporter_id
from exporter.config import settings
from exporter.config.declaration import PREFIX
from exporter.net.hosts import is_loopback


def broker_environment(args: argparse.Namespace) -> int:
    """Print the variables of a broker that exports what is selected here."""
    loaded = settings.load()
    told = exporting(
        args.version,
        loaded,
        name=args.id,
        url=args.ingest_url,
        physical_tenants=args.physical_tenants,
    )
    shown = {name: value for name, value in told.items() if not name.endswith(PASSWORD)}
    if args.json:
        print(json.dumps(shown, indent=2))
    else:
        for name, value in shown.items():
            print(f"{name}={value}")
    for name in told.keys() - shown.keys():
        print(
            f"Not shown: {name} must be {PREFIX}INGEST_PASSWORD, too", file=sys.stderr
        )
    if not args.ingest_url and not is_loopback(loaded.ingest_host):
        print(
            "For a broker on this machine; elsewhere it needs --ingest-url, too",
            file=sys.stderr,
        )
    if args.physical_tenants:
        print(
            f"If a tenant runs other exporters as well, list them with {args.id} in "
            "its DATA_EXPORTERSASSIGNED",
            file=sys.stderr,
        )
    return 0


def add_to(command: argparse.ArgumentParser) -> None:
    """Add what says which broker it is, and how it gets here."""
    command.add_argument("version", metavar="VERSION", help="the broker's, like 8.8.1")
    command.add_argument(
        "--id",
        default=exporter_id(),
        help="what the broker calls this exporter; never to be changed (default: "
        "%(default)s)",
    )
    command.add_argument(
        "--ingest-url",
        default="",
        metavar="URL",
        help="where the broker reaches this exporter (default: on the same machine)",
    )
    command.add_argument(
        "--physical-tenants",
        type=lambda text: [each.strip() for each in text.split(",")],
        default=[],
        metavar="IDS",
        help="the broker's physical tenants, like a,b; `default` is always one of them "
        "(8.10 and later)",
    )
