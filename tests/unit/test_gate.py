"""A request waits at the gate until the breaker lets it through."""

import asyncio

import pytest

from devkit.clock import Clock
from devkit.waiting import ended
from exporter.delivery.breaker import LONGEST_SECONDS, Breaker, Cause
from exporter.delivery.gate import Gate


@pytest.mark.parametrize("pause", [0.005, 0.015, 0.025, 0.035])
async def test_a_pause_that_ends_while_it_is_looked_at(pause):
    """A pause that has ended before the breaker is asked isn't waited for."""
    clock = Clock(step=0.01)
    breaker = Breaker(1, now=clock)
    breaker._paused_until = clock.seconds + pause

    async with asyncio.timeout(30):
        ticket = await Gate(breaker, print).ticket()

    assert ticket.probe is False


async def test_a_switch_is_reported_once():
    """A change of the cause is reported once, and an unchanged cause isn't reported."""
    causes, breaker = [], Breaker(1)
    gate = Gate(breaker, causes.append)

    gate.wake()
    breaker.failed(breaker.begin(), cause=Cause.BLOCKED, at_once=True)
    gate.wake()
    gate.wake()
    breaker.end_pause()
    probe = breaker.begin()
    gate.wake()
    breaker.delivered(probe)
    gate.wake()

    assert causes == [Cause.BLOCKED, None]


async def test_what_is_risky_waits_in_a_queue_of_its_own():
    """Risky requests get half of the slots while others wait, and else all of them."""
    breaker = Breaker(2)
    gate = Gate(breaker, print)
    tickets = [await gate.ticket(risky=True), await gate.ticket(risky=True)]
    waiting = [asyncio.create_task(gate.ticket(risky=each)) for each in (True, False)]
    await asyncio.sleep(0)

    breaker.delivered(tickets[0])
    gate.wake()
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)

    assert done == {waiting[1]}
    breaker.delivered(tickets[1])
    gate.wake()
    assert (await pending.pop()).risky


async def test_an_empty_queue_leaves_its_slots_to_the_other():
    """A risky request gets a free slot as soon as no other request waits."""
    clock = Clock()
    breaker = Breaker(4, now=clock)
    gate = Gate(breaker, print)
    for _ in range(2):
        breaker.begin(risky=True)
    breaker.hold_off(60)
    waiting = [asyncio.create_task(gate.ticket(risky=each)) for each in (True, False)]
    await turns()
    assert not any(task.done() for task in waiting)

    clock.seconds += 60
    gate.wake()
    await turns()

    assert all(task.done() for task in waiting)


@pytest.mark.parametrize("first", [True, False])
async def test_probes_come_from_both_queues_in_turn(first):
    """Risky requests that always fail don't take every probe."""
    clock, probes = Clock(), []
    breaker = Breaker(2, now=clock)
    gate = Gate(breaker, print)
    breaker.failed(breaker.begin(), at_once=True)

    async def ask(risky):
        while True:
            ticket = await gate.ticket(risky=risky)
            probes.append(risky)
            breaker.failed(ticket)
            gate.wake()  # so that it looks before the other one, which was here first

    asking = [asyncio.create_task(ask(each)) for each in (first, not first)]
    for number in range(6):
        await turns()
        assert len(probes) == number
        clock.seconds += LONGEST_SECONDS
        gate.wake()
    await turns()
    await ended(*asking)

    assert probes in ([True, False] * 3, [False, True] * 3)


async def turns():
    """Let every task run until it waits for time to pass or to be woken."""
    for _ in range(20):
        await asyncio.sleep(0)
