"""Records as a broker exports them, and the bulk requests that carry them."""

import json

KEY = 2_251_799_813_685_957
NOON = 1_795_435_200_000


def a_record(position=1, *, value=None, without=(), **changes):
    """
    Return the record of a user task just created; *changes* are the point.

    *value* changes fields of its value, and *without* drops some of either.
    """
    record = {
        "partitionId": 1,
        "position": position,
        "timestamp": NOON + position,
        "key": KEY + position,
        "valueType": "USER_TASK",
        "recordType": "EVENT",
        "intent": "CREATED",
        "brokerVersion": "8.6.0",
        "value": {
            "userTaskKey": KEY + position,
            "processInstanceKey": KEY - 1,
            "assignee": "demo",
            "creationTimestamp": NOON,
        },
    }
    record |= changes
    record["value"] = record["value"] | (value or {})
    for part in (record["value"], record):
        for name in without:
            part.pop(name, None)
    return record


UNRECORDED = [
    a_record(
        valueType="PROCESS_INSTANCE",
        intent=intent,
        brokerVersion="8.10.0",
        value={"bpmnElementType": "PROCESS", "bpmnProcessId": "order", "version": 1},
    )
    for intent in ("SUSPENDED", "RESUMED")
]
"""What no recording has, as the documentation of 8.10 has it."""


def line(record):
    """Return *record* as the broker's exporter writes it."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def action(record, kind="user-task"):
    """Return the action line of *record*, as brokers 8.5 to 8.8 write it."""
    partition, position = record["partitionId"], record["position"]
    about = {
        "routing": f"{partition}",
        "_index": f"zeebe-record_{kind}_8.6.0_2026-11-23",
        "_id": f"{partition}-{position}",
    }
    return line({"index": about})


def bulk(*records):
    """Return the body of a bulk request with *records*."""
    return b"".join(b"%b\n%b\n" % (action(record), line(record)) for record in records)


def tasks(*positions, **changes):
    """Return the body of a bulk request with a user task at each of *positions*."""
    return bulk(*(a_record(position, **changes) for position in positions))


def instance(number):
    """Return the part of a record that says which process instance it belongs to."""
    return {"processInstanceKey": KEY + number}
