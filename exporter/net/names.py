"""
DNS lookups in daemon threads.

When an event loop ends, it waits for its own lookups. If the DNS is down, that takes
half a minute, in which the broker would wait for our restart.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

from aiohttp import ThreadedResolver

T = TypeVar("T")


async def look_up(host: str, port: int, **how: Any) -> list[tuple[Any, ...]]:
    """Return the addresses of *host* like `socket.getaddrinfo`."""
    return await _in_a_thread(partial(socket.getaddrinfo, host, port, **how))


def resolver() -> ThreadedResolver:
    """Return a resolver for aiohttp."""
    return ThreadedResolver(loop=cast("asyncio.AbstractEventLoop", _Lookups()))


class _Lookups:
    """The part of an event loop that a resolver uses."""

    async def getaddrinfo(self, host: str, port: int, **how: Any) -> Any:
        return await look_up(host, port, **how)

    async def getnameinfo(self, address: Any, flags: int) -> Any:
        return await _in_a_thread(partial(socket.getnameinfo, address, flags))


async def _in_a_thread(ask: Callable[[], T]) -> T:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def finish(set_outcome: Callable[[Any], None], outcome: Any) -> None:
        if not future.done():
            set_outcome(outcome)

    def work() -> None:
        outcome: tuple[Callable[[Any], None], Any]
        try:
            outcome = future.set_result, ask()
        except OSError as error:
            outcome = future.set_exception, error
        except UnicodeError:
            wrong = socket.gaierror(socket.EAI_NONAME, "it can't be a host name")
            outcome = future.set_exception, wrong
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(finish, *outcome)

    threading.Thread(target=work, name="name-service", daemon=True).start()
    return await future
