"""`python -m devkit`: run a broker that plays recordings."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import cast

from devkit.broker import Broker
from devkit.cluster import leading
from devkit.stories import CannotStartError

DESCRIPTION = """\
Play records of real engines, and export them as the broker of that version does. The
variables are those of a real broker, such as SERVER_PORT, MANAGEMENT_SERVER_PORT,
ZEEBE_BROKER_EXPORTERS_* and CAMUNDA_DATA_EXPORTERS_*."""
PORTS = {"SERVER_PORT": "8080", "MANAGEMENT_SERVER_PORT": "9600"}


async def run(version: str, data: Path | None, recordings: Path | None) -> None:
    """Run a broker until SIGTERM or SIGINT cancels it."""
    task = cast("asyncio.Task[None]", asyncio.current_task())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    environ = PORTS | dict(os.environ)
    async with leading(environ, data) as directory:
        broker = Broker(version, environ, data=directory, recordings=recordings)
        async with broker:
            print(
                "This is a recorded engine, not a real one. It plays records of "
                f"{broker.engine.recording.version} as {version} exports them. "
                f"REST API {broker.rest_url}/v2, management {broker.management_url}",
                flush=True,
            )
            await broker.working


def main() -> int:
    """Run the broker; return 1 if it can't start."""
    parser = argparse.ArgumentParser(prog="python -m devkit", description=DESCRIPTION)
    for name, kind, meaning in (
        ("version", str, "version of the engine: 8.6, 8.8, 8.9 (default) or 8.10"),
        ("data", Path, "directory that keeps the state (default: none)"),
        ("recordings", Path, "directory with recordings to play instead of ours"),
    ):
        default = "8.9.0" if name == "version" else None
        parser.add_argument(f"--{name}", type=kind, default=default, help=meaning)
    try:
        asyncio.run(run(**vars(parser.parse_args())))
    except asyncio.CancelledError:
        return 0
    except (CannotStartError, OSError, ValueError, LookupError) as error:
        print(f"The broker can't run: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
