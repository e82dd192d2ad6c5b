"""`python -m exporter.demo`: see the exporter work on a real broker, in a minute."""

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

from exporter.demo.download import broker_home, java
from exporter.demo.errors import BrokerUnavailableError
from exporter.demo.replay import replayed
from exporter.demo.report import Summary
from exporter.demo.screen import Screen, open_screen
from exporter.demo.walkthrough import live
from exporter.errors import ExporterError

DESCRIPTION = """\
Start a real Camunda broker, the exporter and a stub backend on this machine, let people
review some requests, and watch every event arrive. The broker is fetched once (300 MB);
without it, recorded traffic of a real one is replayed."""
REPLAY_INSTEAD = """\
So what follows is no live broker, but recorded traffic of a real one."""
EPILOG = """\
exit status: 0 every event arrived once and in order, 1 not so or failed, 130 stopped"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; its exit status tells whether every promise was kept."""
    options = _parser().parse_args(arguments)
    screen = open_screen(sys.stderr if options.json else sys.stdout)
    work = Path(tempfile.mkdtemp(prefix="app-integrations-demo-"))
    status = 1
    try:
        summary = asyncio.run(_stoppable(_programme(options, work, screen)))
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


def _programme(
    options: argparse.Namespace, work: Path, screen: Screen
) -> Coroutine[None, None, Summary]:
    """Fetch what a live run needs, and return it; or else a replay."""
    if options.replay:
        return replayed(work, screen)
    try:
        command, home = java(), broker_home(screen)
    except BrokerUnavailableError as error:
        screen.warn(f"{error} {REPLAY_INSTEAD}")
        return replayed(work, screen)
    return live(
        command, home, work, screen, instances=options.instances, keep=options.keep
    )


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
        "--instances",
        type=_positive,
        default=20,
        metavar="N",
        help="how many process instances to start (default: %(default)s)",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="keep everything running after the summary, until Ctrl-C",
    )
    parser.add_argument(
        "--replay",
        action="store_true",
        help="start no broker, replay what a real one sent",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the summary as JSON on stdout, and all else on stderr",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
