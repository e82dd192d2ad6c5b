"""A backend that misbehaves as a test tells it, and remembers when it was asked."""

import time

from aiohttp import web

from exporter.demo.backend import Backend


class Unruly(Backend):
    """The demo's backend, unless its rule has another answer."""

    def __init__(self):
        """Begin well-behaved."""
        super().__init__()
        self.rule = None
        """A coroutine function: from the events of a batch to an answer, or None."""
        self.asked = []
        """When each request came, in seconds of the monotonic clock."""

    async def _accept(self, request):
        self.asked.append(time.monotonic())
        if self.rule:
            answer = await self.rule((await request.json())["events"])
            if answer is not None:
                return answer
        return await super()._accept(request)


def answering(status, **headers):
    """Return a rule that gives every batch the same answer."""

    async def rule(_):
        return web.Response(status=status, headers=headers)

    return rule


def refusing(is_bad):
    """Return a rule that refuses a batch with a bad event in it."""

    async def rule(events):
        return web.Response(status=400) if any(map(is_bad, events)) else None

    return rule
