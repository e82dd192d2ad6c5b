"""Records in the form of a broker, and bulk requests with them."""

import json

KEY = 2_251_799_813_685_957
NOON = 1_795_435_200_000


def a_record(position=1, *, value=None, without=(), **changes):
    """
    Return the record of a new user task with *changes*.

    *value* changes fields of its value, and *without* drops fields.
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
"""A record that was never recorded, after the documentation of 8.10."""


def line(record):
    """Return *record* as JSON in the form of the broker's exporter."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def action(record, kind="user-task"):
    """Return the action line of *record* in the form of brokers 8.5 to 8.8."""
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
    """Return the body of a bulk request with a user task per position."""
    return bulk(*(a_record(position, **changes) for position in positions))


def instance(number):
    """Return the changes that put a record into a process instance."""
    return {"processInstanceKey": KEY + number}
