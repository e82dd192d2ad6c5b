"""`python -m devkit`: a broker that plays recordings, configured as a real one is."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from devkit.arguments import WrongConfigurationError
from devkit.broker import Broker
from devkit.engine import WrongVersionError
from devkit.journal import WrongDataError
from devkit.processes import LOOPBACK

LARGEST_PORT = 65535

DESCRIPTION = """\
Play what real engines recorded, and export it as the bundled exporter of that version
does. It reads the variables that a broker reads, such as SERVER_PORT,
MANAGEMENT_SERVER_PORT, ZEEBE_BROKER_EXPORTERS_* and CAMUNDA_DATA_EXPORTERS_*."""


async def run(options: argparse.Namespace) -> None:
    """Run a broker until SIGTERM or SIGINT."""
    environ, stopped = os.environ, asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    broker = Broker(
        options.version,
        environ,
        data=options.data,
        host=environ.get("SERVER_ADDRESS", LOOPBACK),
        rest_port=port(environ, "SERVER_PORT", 8080),
        management_port=port(environ, "MANAGEMENT_SERVER_PORT", 9600),
        recordings=options.recordings,
    )
    async with broker:
        print(
            f"A recorded engine, not a real one: it plays records of {broker.recorded} "
            f"as {broker.version} exports them. REST API {broker.rest_url}/v2, "
            f"management {broker.management_url}",
            flush=True,
        )
        waiting = [asyncio.create_task(x.wait()) for x in (stopped, broker.broken)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)


def port(environ: Mapping[str, str], name: str, default: int) -> int:
    """Return the port that a variable names."""
    text = environ.get(name, str(default))
    if not text.isdecimal() or int(text) > LARGEST_PORT:
        raise WrongConfigurationError(f"{name} is {text!r}, which is not a port")
    return int(text)


def main() -> int:
    """Run it; 1 when it can't start."""
    parser = argparse.ArgumentParser(
        prog="python -m devkit",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version",
        default="8.9.0",
        metavar="V",
        help="of the engine: 8.6, 8.8, 8.9, or 8.10 (default: %(default)s)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="where it remembers what happened (default: nowhere)",
    )
    parser.add_argument(
        "--recordings",
        type=Path,
        metavar="DIR",
        help="play the records in DIR instead of ours, such as those of 8.5 or 8.7",
    )
    try:
        asyncio.run(run(parser.parse_args()))
    except (WrongConfigurationError, WrongVersionError, WrongDataError) as error:
        print(f"The broker doesn't start: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"The broker doesn't run: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
