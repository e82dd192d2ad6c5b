"""
DNS lookups in daemon threads.

When an event loop ends, it waits for its own lookups. If the DNS is down, that takes
half a minute, in which the broker would wait for our restart.
"""

import asyncio
import socket
import threading
from concurrent.futures import Future
from typing import Any, cast

from aiohttp import ThreadedResolver


async def look_up(host: str, port: int, **how: Any) -> list[tuple[Any, ...]]:
    """Return the addresses of *host* like `socket.getaddrinfo`."""
    return cast("list[Any]", await _ask(socket.getaddrinfo, host, port, **how))


def resolver() -> ThreadedResolver:
    """Return a resolver for aiohttp."""
    return ThreadedResolver(loop=cast("asyncio.AbstractEventLoop", _Lookups))


class _Lookups:
    """The part of an event loop that a resolver uses."""

    getaddrinfo = staticmethod(look_up)

    @staticmethod
    async def getnameinfo(address: Any, flags: int) -> Any:
        return await _ask(socket.getnameinfo, address, flags)


async def _ask(function: Any, *arguments: Any, **more: Any) -> Any:
    found: Future[Any] = Future()
    found.set_running_or_notify_cancel()  # the thread can't be cancelled

    def work() -> None:
        try:
            found.set_result(function(*arguments, **more))
        except (OSError, UnicodeError) as error:
            found.set_exception(error)

    threading.Thread(target=work, name="name-service", daemon=True).start()
    return await asyncio.wrap_future(found)
