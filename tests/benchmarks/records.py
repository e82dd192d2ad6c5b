"""
Records like a real broker's, in any number and each with a position of its own.

Both templates were recorded from an 8.6.0 broker. A thousand process instances are open
at a time, each of them has three events, and engine time passes as the positions do.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

DATA = Path(__file__).parent / "data"

FIRST_KEY = 2251799813685250
START_MS = 1795447395205
RECORDS_PER_MS = 4
INTENTS = ("CREATED", "ASSIGNED", "COMPLETED")
OPEN_INSTANCES = 1000

INDEX = b"zeebe-record_%b_8.6.0_2026-11-23"
ACTION = b'{"index":{"routing":"1","_index":"' + INDEX + b'","_id":"1-%d"}}'


def _template(name: str) -> bytes:
    """Return the recorded document *name* as a %-template of what distinguishes it."""
    record = json.loads((DATA / f"{name}.json").read_bytes())
    value = record["value"]
    record |= {"position": "@position@", "timestamp": "@timestamp@", "key": "@key@"}
    value |= {"processInstanceKey": "@instance@"}
    if name == "user-task":
        record |= {"intent": "@intent@"}
        value |= {"userTaskKey": "@key@"}
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    text = text.replace("%", "%%").replace('"@intent@"', '"%(intent)b"')
    for number in ("position", "timestamp", "key", "instance"):
        text = text.replace(f'"@{number}@"', f"%({number})d")
    return text.encode()


USER_TASK = _template("user-task")
PROCESS_INSTANCE = _template("process-instance")


def user_task(position: int) -> bytes:
    """Return two lines: the action and the document of an event everyone wants."""
    wave, place = divmod(position, OPEN_INSTANCES * len(INTENTS))
    step, instance = divmod(place, OPEN_INSTANCES)
    number = wave * OPEN_INSTANCES + instance
    return b"%b\n%b\n" % (
        ACTION % (b"user-task", position),
        USER_TASK
        % {
            b"intent": INTENTS[step].encode(),
            b"position": position,
            b"timestamp": START_MS + position // RECORDS_PER_MS,
            b"key": FIRST_KEY + 2 * number + 1,
            b"instance": FIRST_KEY + 2 * number,
        },
    )


def process_instance(position: int) -> bytes:
    """Return two lines: the action and the document of a record nobody wants."""
    return b"%b\n%b\n" % (
        ACTION % (b"process-instance", position),
        PROCESS_INSTANCE
        % {
            b"position": position,
            b"timestamp": START_MS + position // RECORDS_PER_MS,
            b"key": FIRST_KEY + position,
            b"instance": FIRST_KEY + position,
        },
    )


def bodies(
    positions: range, per_request: int, record: Callable[[int], bytes] = user_task
) -> Iterator[bytes]:
    """Yield the bodies of bulk requests that hold *positions*, in order."""
    for start in range(0, len(positions), per_request):
        yield b"".join(map(record, positions[start : start + per_request]))
