"""Records of real engines become the events of the official exporter, or nothing."""

import json

import pytest

from exporter.events import Event, Mapper
from tests import recorded
from tests.contract import EVENT, RECORD, promised
from tests.records import a_record, line

MAPPER = Mapper()
SENT = {"CREATED", "ASSIGNED", "COMPLETED", "CANCELED"}


def test_the_example_of_the_contract():
    """A created user task becomes, byte for byte, what the official exporter sends."""
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
    """Whole lives of user tasks map field by field, in the contract's order."""
    expected, mapped = [], []
    for document in recorded.user_tasks(version):
        record = json.loads(document)
        if record["intent"] in SENT:
            expected.append(list(promised(record).items()))
        if event := MAPPER.event(document):
            mapped.append(list(json.loads(event.body).items()))

    assert {dict(event)["intent"] for event in mapped} == SENT
    assert mapped == expected


@pytest.mark.parametrize("version", recorded.VERSIONS)
def test_recorded_identities(version):
    """What identifies an event and its lane is read from the record, exactly."""
    for document in recorded.user_tasks(version):
        record = json.loads(document)
        if event := MAPPER.event(document):
            assert event[:5] == (
                record["partitionId"],
                record["position"],
                record["timestamp"],
                record["key"],
                record["value"]["processInstanceKey"],
            )
            assert event.lane == event.instance


@pytest.mark.parametrize("path", recorded.OTHERS, ids=recorded.name_of)
def test_other_recorded_records(path):
    """Other value types, commands and rejections become nothing."""
    assert [MAPPER.event(document) for document in recorded.lines(path)] == [
        None for _ in recorded.lines(path)
    ]


def test_recorded_tenants():
    """A task of a tenant says so; the other records of tenants become nothing."""
    documents = recorded.lines("8.6.0/tenants.jsonl")
    sent = [
        record["value"]["tenantId"]
        for record in map(json.loads, documents)
        if record["valueType"] == "USER_TASK" and record["intent"] in SENT
    ]

    events = [event for document in documents if (event := MAPPER.event(document))]

    assert [json.loads(event.body)["tenantId"] for event in events] == sent
    assert len(set(sent)) > 1


@pytest.mark.parametrize(
    "changes",
    [
        {"intent": "CREATING"},
        {"intent": "UPDATED"},
        {"intent": "INVENTED_LATER"},
        {"recordType": "COMMAND"},
        {"recordType": "COMMAND_REJECTION"},
        {"recordType": "INVENTED_LATER"},
        {"valueType": "JOB"},
        {"valueType": "INVENTED_LATER", "value": {}, "intent": 7},
    ],
    ids=str,
)
def test_what_is_not_selected(changes):
    """An intent, a record type or a value type that we don't send is no error."""
    assert MAPPER.event(line(a_record(**changes))) is None


def test_fields_we_do_not_know():
    """What newer brokers add is ignored, wherever they add it."""
    plain = MAPPER.event(line(a_record()))

    newer = MAPPER.event(
        line(
            a_record(
                brokerVersion="8.12.0",
                agent={"id": 1},
                value={"businessId": "b-1", "listenersConfigKey": 7},
            )
        )
    )

    assert newer == plain._replace(broker="8.12.0")


def test_authorizations_stay_here():
    """What the engine knows of the user's rights and variables is never sent."""
    event = MAPPER.event(
        line(
            a_record(
                authorizations={"authorized_username": "s3cret"},
                value={"variables": {"salary": "s3cret"}, "deniedReason": "s3cret"},
            )
        )
    )

    assert b"s3cret" not in event.body


@pytest.mark.parametrize("absent", ["missing", "null"])
def test_fields_an_old_broker_lacks(absent):
    """Without a field, missing or null, the event has the engine's default for it."""
    value = dict.fromkeys(RECORD["value"]) if absent == "null" else {}
    event = MAPPER.event(line(RECORD | {"value": value}))

    assert event.instance == -1
    assert event.lane == -1  # that of its partition
    assert json.loads(event.body) == {
        "id": "2251799813685957",
        "intent": "CREATED",
        "type": "USER_TASK",
        "userTaskKey": "-1",
        "tags": [],
        "customHeaders": {},
        "assignee": "",
        "candidateGroups": [],
        "candidateUsers": [],
        "externalFormReference": "",
        "priority": 50,
        "formKey": "-1",
        "createdAt": "1969-12-31T23:59:59.999Z",
        "dueDate": "",
        "followUpDate": "",
        "processDefinitionKey": "-1",
        "processDefinitionId": "",
        "processDefinitionVersion": "-1",
        "processInstanceKey": "-1",
        "elementId": "",
        "elementInstanceKey": "-1",
        "tenantId": "",
    }


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
    """Who wrote the record is known if it says so; nothing depends on it."""
    assert MAPPER.event(line(a_record(brokerVersion=version))).broker == known


def test_identities_among_clusters():
    """The id of the cluster is part of an event's identity, where there is one."""
    event = MAPPER.event(line(RECORD))

    assert event.identity_in("") == event.identity
    assert event.identity_in("f3b2") == "f3b2-1-73-1795446847160"


@pytest.mark.parametrize(
    "instance, lane", [(7, 7), (1, 1), (0, -3), (-1, -3), (-7, -3)]
)
def test_lanes(instance, lane):
    """Events of one instance share a lane, those without one their partition's."""
    event = Event(3, 1, 1, 1, instance, b"")

    assert event.lane == lane
