"""
The name service, asked in threads that nobody has to wait for.

The loop's own way waits at its end for every question under way, and a name service
that is down takes half a minute to say so: the broker would wait for our restart.
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
    """Return the addresses of *host*, as `socket.getaddrinfo` does."""
    return await _in_a_thread(partial(socket.getaddrinfo, host, port, **how))


def resolver() -> ThreadedResolver:
    """Return what asks for the addresses of a backend."""
    return ThreadedResolver(loop=cast("asyncio.AbstractEventLoop", _Questions()))


class _Questions:
    """The part of an event loop that a resolver uses."""

    async def getaddrinfo(self, host: str, port: int, **how: Any) -> Any:
        return await look_up(host, port, **how)

    async def getnameinfo(self, address: Any, flags: int) -> Any:
        return await _in_a_thread(partial(socket.getnameinfo, address, flags))


async def _in_a_thread(ask: Callable[[], T]) -> T:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: OSError | None) -> None:
        if future.done():
            return
        if error:
            future.set_exception(error)
        else:
            future.set_result(cast("T", result))

    def work() -> None:
        result, problem = None, None
        try:
            result = ask()
        except OSError as error:
            problem = error
        except UnicodeError:
            problem = socket.gaierror(socket.EAI_NONAME, "it can't be a host name")
        with suppress(RuntimeError):  # the loop has ended, so nobody wants to know
            loop.call_soon_threadsafe(tell, result, problem)

    threading.Thread(target=work, name="name-service", daemon=True).start()
    return await future
