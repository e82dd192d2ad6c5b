"""Recorded records become the events of the official exporter."""

import json

import pytest

from exporter.events import Event, Mapper, Selection
from tests import recorded
from tests.contract import EVENT, RECORD, promised
from tests.records import a_record, line

MAPPER = Mapper()


def mapped(**changes):
    """Return the decoded event of a record; *changes* are for `a_record`."""
    return json.loads(MAPPER.event(line(a_record(**changes))).body)


def test_the_example_of_the_contract():
    """A created user task becomes exactly the event of the official exporter."""
    assert MAPPER.event(line(RECORD)) == Event(
        partition=1,
        position=73,
        timestamp=1795446847160,
        key=2251799813685957,
        instance=2251799813685951,
        body=EVENT,
        kind="user-task.created",
        broker="8.6.0",
        backends=("default",),
    )


@pytest.mark.parametrize("version", recorded.VERSIONS)
def test_recorded_user_tasks(version):
    """All events of user tasks have the fields of the contract in order."""
    expected, found = [], []
    for document in recorded.user_tasks(version):
        record = json.loads(document)
        if record["intent"] in recorded.SENT:
            expected.append(list(promised(record).items()))
        if event := MAPPER.event(document):
            found.append(list(json.loads(event.body).items()))

    assert {dict(event)["intent"] for event in found} == recorded.SENT
    assert found == expected


@pytest.mark.parametrize(
    "version, known",
    [
        ("8.10.0-alpha5", "8.10.0-alpha5"),
        ("8.9.0-SNAPSHOT+b1", "8.9.0-SNAPSHOT+b1"),
        (None, ""),
        ("8.6.0\n", ""),
        ("9" * 33, ""),
    ],
)
def test_the_brokers_version(version, known):
    """An event has the broker's version, if the record has it."""
    assert MAPPER.event(line(a_record(brokerVersion=version))).broker == known


@pytest.mark.parametrize("tenant, place", [("default", "1-73"), ("east", "east-1-73")])
def test_identities(tenant, place):
    """The identity contains the cluster id, and a tenant other than the default one."""
    event = MAPPER.event(line(RECORD), tenant)

    assert event.identity_in("") == event.identity == f"{place}-1795446847160"
    assert event.identity_in("f3b2") == f"f3b2-{place}-1795446847160"


@pytest.mark.parametrize("instance, lane", [(7, 7), (1, 1), (0, -3), (-7, -3)])
def test_lanes(instance, lane):
    """Events of one instance share a lane, and others the lane of their partition."""
    event = Event(3, 1, 1, 1, instance, b"")

    assert event.lane == ("default", lane)
    assert event._replace(tenant="east").lane == ("east", lane)


def test_priority():
    """A missing priority has the default, and zero stays zero."""
    assert mapped(value={"priority": 0})["priority"] == 0
    assert mapped(without=["priority"])["priority"] == 50


@pytest.mark.parametrize(
    "milliseconds, text",
    [
        (1795446847150, "2026-11-23T15:14:07.150Z"),
        (1795446847001, "2026-11-23T15:14:07.001Z"),
        (1795446840000, "2026-11-23T15:14:00Z"),
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (253402300799999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_created_at(milliseconds, text):
    """A time has no fraction or three digits, as in Java."""
    assert mapped(value={"creationTimestamp": milliseconds})["createdAt"] == text


def test_keys_are_exact():
    """Large keys keep all digits, in the event and its identity."""
    largest, smallest = 2**63 - 1, -(2**63)
    value = {"userTaskKey": largest, "processInstanceKey": 2**53 + 1}
    value["formKey"] = smallest
    record = a_record(largest, key=largest, timestamp=largest, value=value)

    event = MAPPER.event(line(record))

    assert event.identity == f"1-{largest}-{largest}"
    assert (event.key, event.instance) == (largest, 2**53 + 1)
    body = json.loads(event.body)
    assert body["id"] == body["userTaskKey"] == f"{largest}"
    assert body["processInstanceKey"] == f"{2**53 + 1}"
    assert body["formKey"] == f"{smallest}"


def test_text_of_all_kinds():
    """Texts are UTF-8 without escapes."""
    text = 'größte Gruppe/ключ ✅ 🚀 "\\ \x00\n'

    event = MAPPER.event(line(a_record(value={"assignee": text})))

    assert json.loads(event.body)["assignee"] == text
    assert "größte Gruppe/ключ ✅ 🚀".encode() in event.body


@pytest.mark.parametrize(
    "milliseconds, text",
    [
        (1795447402120, "2026-11-23T15:23:22.120Z"),
        (-1, ""),
        (None, ""),
        (-2, "1969-12-31T23:59:59.998Z"),
        (2**63 - 1, ""),
        (-(2**63), ""),
        (253_402_300_800_000, ""),
    ],
)
def test_moments(milliseconds, text):
    """A time in events of other types is empty for -1 and outside the years to 9999."""
    record = a_record(valueType="TIMER", value={"dueDate": milliseconds})

    event = Mapper({"": Selection("timer")}).event(line(record))

    assert json.loads(event.body)["dueAt"] == text
