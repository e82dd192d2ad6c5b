"""Recorded records become the events of the official exporter."""

import json

import pytest

from exporter.events import Event, Mapper
from tests import recorded
from tests.contract import EVENT, RECORD, promised
from tests.records import a_record, line

MAPPER = Mapper()


def test_the_example_of_the_contract():
    """A created user task becomes exactly the event of the official exporter."""
    event = MAPPER.event(line(RECORD))

    assert event == Event(
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
    assert event.identity == "1-73-1795446847160"


@pytest.mark.parametrize("version", recorded.VERSIONS)
def test_recorded_user_tasks(version):
    """All events of user tasks have the fields of the contract in order."""
    expected, mapped = [], []
    for document in recorded.user_tasks(version):
        record = json.loads(document)
        if record["intent"] in recorded.SENT:
            expected.append(list(promised(record).items()))
        if event := MAPPER.event(document):
            mapped.append(list(json.loads(event.body).items()))

    assert {dict(event)["intent"] for event in mapped} == recorded.SENT
    assert mapped == expected


@pytest.mark.parametrize(
    "version, known",
    [
        ("8.8.21", "8.8.21"),
        ("8.10.0-alpha5", "8.10.0-alpha5"),
        ("8.9.0-SNAPSHOT+b1", "8.9.0-SNAPSHOT+b1"),
        (None, ""),
        ("", ""),
        (8, ""),
        ("8.6.0\n", ""),
        ("9" * 33, ""),
    ],
)
def test_the_brokers_version(version, known):
    """An event has the broker's version, if the record has it."""
    assert MAPPER.event(line(a_record(brokerVersion=version))).broker == known


def test_identities_among_clusters():
    """The identity contains the cluster id, if there is one."""
    event = MAPPER.event(line(RECORD))

    assert event.identity_in("") == event.identity
    assert event.identity_in("f3b2") == "f3b2-1-73-1795446847160"


def test_identities_of_a_physical_tenant():
    """The identity contains the physical tenant, except the default one."""
    event = MAPPER.event(line(RECORD), "east")

    assert event == MAPPER.event(line(RECORD))._replace(tenant="east")
    assert event.identity_in("") == event.identity == "east-1-73-1795446847160"
    assert event.identity_in("f3b2") == "f3b2-east-1-73-1795446847160"


@pytest.mark.parametrize(
    "instance, lane", [(7, 7), (1, 1), (0, -3), (-1, -3), (-7, -3)]
)
def test_lanes(instance, lane):
    """Events of one instance share a lane, and others the lane of their partition."""
    event = Event(3, 1, 1, 1, instance, b"")

    assert event.lane == ("default", lane)
    assert event._replace(tenant="east").lane == ("east", lane)
