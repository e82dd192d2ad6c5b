"""
`broker-environment`: the variables for a broker that is started by hand.

stdout holds only the variables, in the form of an environment file.
"""

import argparse

from exporter.broker.environment import PASSWORD, exporting
from exporter.broker.takeover import exporter_id
from exporter.commands.arguments import Subparsers, add_command
from exporter.commands.printing import as_json, say
from exporter.config import settings
from exporter.config.declaration import PREFIX
from exporter.net.hosts import is_loopback


def add_to(commands: Subparsers) -> None:
    """Add `broker-environment` to *commands*."""
    command = add_command(commands, "broker-environment", broker_environment)
    command.add_argument("version", metavar="VERSION", help="the broker's, like 8.8.1")
    command.add_argument(
        "--id",
        default=exporter_id(),
        help="id of this exporter in the broker; never change it later (default: "
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
        help="the broker's physical tenants (8.10 and later), like a,b; `default` is "
        "always included",
    )


def broker_environment(args: argparse.Namespace) -> int:
    """Print the variables that make a broker export what is selected here."""
    loaded = settings.load()
    variables = exporting(
        args.version,
        loaded,
        name=args.id,
        url=args.ingest_url,
        physical_tenants=args.physical_tenants,
    )
    hidden = [name for name in variables if name.endswith(PASSWORD)]
    for name in hidden:
        del variables[name]
        say(f"Not shown: set {name} to the value of {PREFIX}INGEST_PASSWORD")
    if args.json:
        print(as_json(variables))
    else:
        print("\n".join(f"{name}={value}" for name, value in variables.items()))
    if not args.ingest_url and not is_loopback(loaded.ingest_host):
        say("This is for a broker on this machine. For any other, add --ingest-url")
    if args.physical_tenants:
        say(
            f"If a tenant runs other exporters as well, list them with {args.id} in "
            "its DATA_EXPORTERSASSIGNED"
        )
    return 0
