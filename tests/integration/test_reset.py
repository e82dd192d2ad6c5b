"""
A new broker starts again with position 1, and the old spool accepts its records.

Two engines with the same commands have the same positions and keys. Only their times
differ, and time may go backwards.
"""

import pytest

from exporter.broker.environment import broker_environment
from tests.integration.conftest import PASSWORD
from tests.integration.engine import LIFE

TEN_MINUTES_MS = 10 * 60 * 1000


@pytest.mark.parametrize("behind_ms", [0, TEN_MINUTES_MS])
async def test_empty_broker(start, exporter, version, backend, behind_ms):
    """No record of a new broker counts as a repeat of an old broker's record."""
    ours = broker_environment(version, exporter.ingest_url, **PASSWORD)
    variables = ours | {"ZEEBE_CLOCK_CONTROLLED": "true"}
    lives = []
    for offset_ms in (0, -behind_ms):
        async with start(exporter=False, environment=variables) as engine:
            if offset_ms:
                move = {"offsetMilli": offset_ms}
                await engine.broker.manage("clock/add", "POST", move)
            async with engine.at_work():
                instances = await engine.tasks(10)
                await engine.all_arrived(instances, LIFE)
            histories = engine.histories(instances)
        lives.append(backend.arrivals[:])
        backend.arrivals.clear()
    before, after = lives

    assert histories == dict.fromkeys(instances, LIFE)
    assert len({each.identity for each in before + after}) == len(before + after)
    assert min(each.position for each in after) < max(x.position for x in before)
