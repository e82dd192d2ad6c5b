"""
Any number of records like a real broker's, with different positions.

They are copies of two records of an 8.6.0 broker. A thousand process instances are open
at a time, with three events each. Engine time grows with the position.
"""

from collections.abc import Callable, Iterator
from typing import Any

from devkit.stories import RECORDINGS, recording
from tests.records import action, line

RECORDED = {each["position"]: each for each in recording(RECORDINGS / "8.6.0").records}
USER_TASK, PROCESS_INSTANCE = RECORDED[73], RECORDED[61]

FIRST_KEY = 2251799813685250
START_MS = 1795447395205
RECORDS_PER_MS = 4
INTENTS = ("CREATED", "ASSIGNED", "COMPLETED")
OPEN_INSTANCES = 1000


def user_task(position: int) -> bytes:
    """Return the action and the document of a record that becomes an event."""
    wave, place = divmod(position, OPEN_INSTANCES * len(INTENTS))
    step, instance = divmod(place, OPEN_INSTANCES)
    key = FIRST_KEY + 2 * (wave * OPEN_INSTANCES + instance)
    record = USER_TASK | {"key": key + 1, "intent": INTENTS[step]}
    value = {"processInstanceKey": key, "userTaskKey": key + 1}
    return _lines(record, value, position, "user-task")


def process_instance(position: int) -> bytes:
    """Return the action and the document of a record that isn't selected."""
    key = FIRST_KEY + position
    record = PROCESS_INSTANCE | {"key": key}
    return _lines(record, {"processInstanceKey": key}, position, "process-instance")


def _lines(
    record: dict[str, Any], value: dict[str, int], position: int, kind: str
) -> bytes:
    record["position"] = position
    record["timestamp"] = START_MS + position // RECORDS_PER_MS
    record["value"] = record["value"] | value
    return b"%b\n%b\n" % (action(record, kind), line(record))


def bodies(
    positions: range, per_request: int, record: Callable[[int], bytes] = user_task
) -> Iterator[bytes]:
    """Yield the bodies of bulk requests that hold *positions*, in order."""
    for start in range(0, len(positions), per_request):
        yield b"".join(map(record, positions[start : start + per_request]))
