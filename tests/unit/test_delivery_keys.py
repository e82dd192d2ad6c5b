"""Idempotency keys change after an answer, and stay without one."""

import pytest

from exporter.delivery import Answer
from exporter.delivery.outcome import Failure
from tests.unit.deliveries import LATER, YES

LOST = Answer(failure=Failure.CONNECTION)


@pytest.mark.parametrize("status", [302, 401, 409, 422, 429, 503])
async def test_a_key_after_an_answer(deliver, status):
    """After a failed answer the key changes, because the answer may be stored."""
    answers = iter([Answer(status)] * 3)
    async with deliver(lambda _: next(answers, YES)) as story:
        await story.send(1)
        await story.ends()

    assert len(set(story.backend.keys)) == 4


async def test_a_key_without_an_answer(deliver):
    """Without an answer the key stays, because the request may have arrived."""
    first_of_another = [YES, LATER]
    answers = iter([LOST, LOST, Answer(409), LOST, LATER])
    async with deliver(lambda _: first_of_another.pop(), slots=1) as story:
        await story.send(1)
        await story.ends()
        story.backend.answer = lambda _: next(answers, YES)
        await story.send(2)
        await story.ends()

    *kept, fresh = story.backend.keys[2:]
    assert len(kept) == 5
    assert len(set(kept)) == 1
    assert fresh not in kept


async def test_the_key_of_a_part(deliver):
    """A part of a batch that got no answer is another request, with its own keys."""
    answers = iter([LOST, Answer(409)])
    async with deliver(lambda _: next(answers, YES), slots=1) as story:
        await story.send(1, 2)
        await story.ends()

    assert story.backend.posts == [[1, 2], [1], [2], [1]]
    assert len(set(story.backend.keys)) == 4
