"""Fixtures of several unit tests."""

from itertools import count

import pytest

from exporter.delivery import breaker
from tests.unit.deliveries import YES, delivering


@pytest.fixture
def deliver(tmp_path, monkeypatch):
    """Return a function that starts a delivery with short waits."""
    monkeypatch.setattr(breaker, "FIRST_SECONDS", 0.002)
    monkeypatch.setattr(breaker, "LONGEST_SECONDS", 0.01)
    numbers = map(str, count())

    def begin(answer=lambda _: YES, **plan):
        return delivering(tmp_path / next(numbers), answer, **plan)

    return begin
