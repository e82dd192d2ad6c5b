"""`config`: the settings in effect."""

import argparse

from exporter.commands.arguments import Subparsers, add_command
from exporter.commands.printing import as_json
from exporter.config import settings


def add_to(commands: Subparsers) -> None:
    """Add `config` to *commands*."""
    add_command(commands, "config", config)


def config(args: argparse.Namespace) -> int:
    """Print the settings in effect, without secrets."""
    effective = settings.effective(settings.load())
    if args.json:
        print(as_json(effective))
        return 0
    width = max(map(len, effective))
    for variable, value in effective.items():
        shown = " ".join(f"{value}".split()) or "(none)"
        print(f"{variable:{width}}  {shown}")
    return 0
