"""The wish that this process end, as the system tells it."""

import asyncio
import signal


def asked_to_stop() -> asyncio.Event:
    """Return what is set as soon as SIGTERM or SIGINT asks this process to stop."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping
