"""Whoever waits for the breaker goes as soon as it lets them."""

import asyncio

import pytest

from exporter.delivery.breaker import Breaker
from exporter.delivery.gate import Gate


class SteppingClock:
    """A clock that ten milliseconds go by on whenever somebody looks at it."""

    seconds = 1000.0

    def __call__(self):
        """Return the time, and let some of it go by."""
        self.seconds += 0.01
        return self.seconds


@pytest.mark.parametrize("pause", [0.005, 0.015, 0.025, 0.035])
async def test_a_pause_that_ends_while_it_is_looked_at(pause):
    """It is over when the breaker is asked once more, so nobody waits for its end."""
    clock = SteppingClock()
    breaker = Breaker(1, now=clock)
    gate = Gate(breaker, None)
    breaker._until = clock.seconds + pause

    async with asyncio.timeout(5):
        ticket = await gate.ticket()

    assert ticket.probe is False
