"""Wait for processes and threads, which can't wake the loop, and for tasks."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

POLL_SECONDS = 0.005


async def eventually(condition: Callable[[], Any], *, within: float = 30.0) -> Any:
    """
    Return the first true result of *condition*, a function or a coroutine one.

    Fail after *within* seconds; the default is long enough for a busy machine.
    """
    deadline = time.monotonic() + within
    while True:
        value = condition()
        value = await value if inspect.isawaitable(value) else value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("the condition never became true")
        await asyncio.sleep(POLL_SECONDS)


async def ended(*tasks: asyncio.Task[None]) -> None:
    """Cancel *tasks*, wait for them, and raise the first error."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result
