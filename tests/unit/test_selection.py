"""Which records are selected, and as which kind."""

import json

import pytest

from exporter.events import CATALOG, EVERYTHING, Mapper, Selection, UnmappableError
from tests import recorded
from tests.records import UNRECORDED, a_record, line

ALL = Mapper({"all": Selection(EVERYTHING)})

NAMES = [each.name_of(kind) for each in CATALOG for kind in each.kinds]
NEWER = {"process-instance.suspended", "process-instance.resumed"}
"""Kinds that were never recorded."""
MAY_BE_LEFT_OUT = {"PROCESS_INSTANCE", "JOB"}
"""Value types also of gateways and the like, and of listeners: see test_steps."""


def kind_of(document, mapper=ALL):
    """Return the name of the event for *document*, or an empty text."""
    event = mapper.event(document)
    return event.kind if event else ""


def of(value_type, intent, **value):
    """Return the line of a record with only *value* in its value."""
    return line(a_record(valueType=value_type, intent=intent) | {"value": value})


@pytest.mark.parametrize("record", UNRECORDED, ids=lambda each: each["intent"])
def test_suspension(record):
    """Suspending is an event of process instances, and not of steps."""
    kind = f"process-instance.{record['intent'].lower()}"
    mapper = Mapper({"": Selection(kind.replace(".", ":"))})

    assert kind_of(line(record)) == kind_of(line(record), mapper) == kind
    assert kind_of(line(record), Mapper()) == ""
    step = record | {"value": record["value"] | {"bpmnElementType": "SERVICE_TASK"}}
    assert kind_of(line(step)) == ""


@pytest.mark.parametrize("version", recorded.VERSIONS)
def test_recorded_records(version):
    """A record becomes an event of a kind with its type and intent, if there is one."""
    names = {}
    for each in CATALOG:
        for kind in each.kinds:
            key = ("EVENT", each.value_type, kind.intent)
            names.setdefault(key, set()).add(each.name_of(kind))
    for document in recorded.everything(version):
        record = json.loads(document)
        key = (record["recordType"], record["valueType"], record["intent"])
        expected = names.get(key, {""})
        if record["valueType"] in MAY_BE_LEFT_OUT:
            expected = expected | {""}
        assert kind_of(document) in expected


@pytest.mark.parametrize(
    "changes",
    [
        {"recordType": "COMMAND"},
        {"recordType": "COMMAND_REJECTION"},
        {"recordType": "INVENTED_LATER"},
        {"intent": "INVENTED_LATER", "value": {"assignee": 7}},
        {"valueType": "INVENTED_LATER"},
    ],
    ids=str,
)
def test_only_known_events(changes):
    """Commands and records of unknown types or intents are not selected."""
    assert kind_of(line(a_record(**changes))) == ""


# One recorded document of each kind, and one that isn't selected.
SAMPLES = {
    kind_of(document): document
    for version in recorded.VERSIONS
    for document in recorded.everything(version)
}


def test_samples():
    """All kinds were recorded, except those of newer brokers."""
    assert {*SAMPLES} == {*NAMES, ""} - NEWER


@pytest.mark.parametrize("name", NAMES)
def test_one_kind_alone(name):
    """A kind selects only this kind, even if others have the same intent."""
    term = name.replace(".", ":")
    bracketed = f"{term}[*]" if name.startswith(("variable", "step")) else term
    mapper = Mapper({"": Selection(bracketed)})

    kinds = {kind_of(document, mapper) for document in SAMPLES.values()}

    assert kinds == {name, ""} - NEWER


@pytest.mark.parametrize(
    "selection, value_type, intent, value",
    [
        ("job[pay*]", "JOB", "FAILED", {"type": "payment"}),
        ("job[io.x:http:1]", "JOB", "FAILED", {"type": "io.x:http:1"}),
        ("variable[a, b*]", "VARIABLE", "CREATED", {"name": "bc"}),
        ("message[Order received]", "MESSAGE", "PUBLISHED", {"name": "Order received"}),
        (
            "message-subscription[o*]",
            "PROCESS_MESSAGE_SUBSCRIPTION",
            "CREATED",
            {"messageName": "order"},
        ),
        ("signal[stop]", "SIGNAL", "BROADCASTED", {"signalName": "stop"}),
        ("decision[risk]", "DECISION_EVALUATION", "FAILED", {"decisionId": "risk"}),
        ("escalation[LATE]", "ESCALATION", "ESCALATED", {"escalationCode": "LATE"}),
        ("incident[job-*]", "INCIDENT", "CREATED", {"errorType": "JOB_NO_RETRIES"}),
        (
            "step[end-*]",
            "PROCESS_INSTANCE",
            "ELEMENT_ACTIVATED",
            {"bpmnElementType": "END_EVENT"},
        ),
    ],
)
def test_brackets(selection, value_type, intent, value):
    """Brackets choose by a text in the record, and case matters."""
    mapper = Mapper({"": Selection(selection)})
    ((name, text),) = value.items()

    assert kind_of(of(value_type, intent, **value), mapper) != ""
    assert kind_of(of(value_type, intent, **{name: f"x{text}"}), mapper) == ""
    assert kind_of(of(value_type, intent), mapper) == ""
    if value_type not in ("INCIDENT", "PROCESS_INSTANCE"):  # words of the engine
        assert kind_of(of(value_type, intent, **{name: text.swapcase()}), mapper) == ""


def test_several_backends():
    """An event has the backends that select it."""
    mapper = Mapper(
        {
            "teams": Selection("user-task"),
            "audit": Selection("user-task:completed, job"),
            "other": Selection("timer"),
        }
    )

    assert mapper.event(of("USER_TASK", "COMPLETED")).backends == ("teams", "audit")
    assert mapper.event(of("USER_TASK", "CREATED")).backends == ("teams",)
    assert mapper.event(of("JOB", "CREATED")).backends == ("audit",)
    assert mapper.event(of("SIGNAL", "BROADCASTED")) is None


def test_one_term_is_enough():
    """A record that several terms select becomes one event."""
    mapper = Mapper({"": Selection("step[end-event], step:completed[*], step")})

    record = of("PROCESS_INSTANCE", "ELEMENT_COMPLETED", bpmnElementType="END_EVENT")

    assert mapper.event(record).backends == ("",)


@pytest.mark.parametrize(
    "selection, record, name",
    [
        ("job", of("JOB", "CREATED", jobKind=7), "jobKind"),
        ("job[a]", of("JOB", "CREATED", type=[]), "type"),
        ("variable[a]", of("VARIABLE", "CREATED", name="a", value=1), "value"),
    ],
)
def test_wrong_types(selection, record, name):
    """A selected record with wrong types is unmappable; otherwise it's skipped."""
    with pytest.raises(UnmappableError, match=rf"\$\.{name}`"):
        Mapper({"": Selection(selection)}).event(record)

    assert Mapper().event(record) is None
