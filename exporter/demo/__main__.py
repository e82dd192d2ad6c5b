"""`python -m exporter.demo`: see the exporter work on recorded traffic."""

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Coroutine, Sequence
from dataclasses import asdict
from pathlib import Path

from exporter.demo.replay import replayed
from exporter.demo.report import Summary
from exporter.demo.screen import open_screen
from exporter.errors import ExporterError

DESCRIPTION = """\
Start the exporter and a stub backend on this machine, send what a real Camunda 8.6.0
broker once sent, and watch every event arrive."""
EPILOG = """\
exit status: 0 every event arrived once and in order, 1 not so or failed, 130 stopped"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; its exit status tells whether every promise was kept."""
    options = _parser().parse_args(arguments)
    screen = open_screen(sys.stderr if options.json else sys.stdout)
    work = Path(tempfile.mkdtemp(prefix="app-integrations-demo-"))
    status = 1
    try:
        summary = asyncio.run(_stoppable(replayed(work, screen)))
        status = 0 if summary.perfect else 1
        if options.json:
            sys.stdout.write(f"{json.dumps(asdict(summary))}\n")
    except (KeyboardInterrupt, asyncio.CancelledError):
        screen.say("Stopped.")
        status = 130
    except BrokenPipeError:
        # Whoever reads us has seen enough, `| head` for example: that's no mistake. But
        # what is still in the buffer must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 130
    except ExporterError as error:
        sys.stderr.write(f"demo: {error}\n")
        status = error.exit_status
    finally:
        if status == 1:
            sys.stderr.write(f"All logs are in {work}.\n")
        else:
            shutil.rmtree(work, ignore_errors=True)
    return status


async def _stoppable(programme: Coroutine[None, None, Summary]) -> Summary:
    """Stop as on Ctrl-C when we are terminated, or our terminal is closed."""
    running = asyncio.create_task(programme)
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    return await running


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m exporter.demo",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the summary as JSON on stdout, and all else on stderr",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
