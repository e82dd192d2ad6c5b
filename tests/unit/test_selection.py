"""Which records are selected, and as which kind."""

import json
from collections import Counter

import pytest

from exporter.events import CATALOG, EVERYTHING, Mapper, Selection, UnmappableError
from tests import recorded
from tests.records import UNRECORDED, a_record, line

ALL = Mapper({"all": Selection(EVERYTHING)})

# By what the engine calls it: how often that becomes which kind of event, of the
# records of 8.6.0, 8.8.21 and 8.9.0. What isn't here never becomes one.
TABLE = {
    "USER_TASK CREATED": {"user-task.created": (15, 12, 8)},
    "USER_TASK ASSIGNED": {
        "user-task.assigned": (5, 10, 8),
        "user-task.unassigned": (1, 1, 1),
    },
    "USER_TASK UPDATED": {"user-task.updated": (3, 1, 1)},
    "USER_TASK COMPLETED": {"user-task.completed": (8, 6, 5)},
    "USER_TASK CANCELED": {"user-task.canceled": (6, 3, 1)},
    "USER_TASK MIGRATED": {"user-task.migrated": (1, 1, 0)},
    "USER_TASK ASSIGNMENT_DENIED": {"user-task.assignment-denied": (0, 1, 1)},
    "USER_TASK UPDATE_DENIED": {"user-task.update-denied": (0, 1, 1)},
    "USER_TASK COMPLETION_DENIED": {"user-task.completion-denied": (0, 1, 1)},
    "PROCESS_INSTANCE ELEMENT_ACTIVATED": {
        "process-instance.started": (25, 19, 11),
        "step.activated": (66, 62, 34),
        "": (3, 3, 2),  # gateways and the like
    },
    "PROCESS_INSTANCE ELEMENT_COMPLETED": {
        "process-instance.completed": (15, 14, 8),
        "step.completed": (58, 54, 31),
        "": (3, 2, 1),
    },
    "PROCESS_INSTANCE ELEMENT_TERMINATED": {
        "process-instance.terminated": (6, 2, 1),
        "step.terminated": (7, 4, 1),
    },
    "INCIDENT CREATED": {"incident.created": (8, 3, 2)},
    "INCIDENT RESOLVED": {"incident.resolved": (4, 2, 1)},
    "JOB CREATED": {"job.created": (9, 6, 3), "": (1, 10, 7)},  # of listeners
    "JOB COMPLETED": {"job.completed": (4, 4, 3), "": (1, 10, 7)},
    "JOB FAILED": {"job.failed": (5, 2, 2)},
    "JOB TIMED_OUT": {"job.timed-out": (1, 1, 0)},
    "JOB ERROR_THROWN": {"job.error-thrown": (2, 2, 0)},
    "JOB CANCELED": {"job.canceled": (1, 0, 0)},
    "JOB RETRIES_UPDATED": {"job.retries-updated": (2, 2, 1)},
    "JOB UPDATED": {"job.updated": (1, 0, 0)},
    "VARIABLE CREATED": {"variable.created": (53, 31, 27)},
    "VARIABLE UPDATED": {"variable.updated": (6, 0, 0)},
    "MESSAGE PUBLISHED": {"message.published": (3, 2, 0)},
    "MESSAGE EXPIRED": {"message.expired": (2, 0, 0)},
    "PROCESS_MESSAGE_SUBSCRIPTION CREATED": {"message-subscription.created": (1, 1, 0)},
    "PROCESS_MESSAGE_SUBSCRIPTION CORRELATED": {
        "message-subscription.correlated": (1, 1, 0)
    },
    "SIGNAL BROADCASTED": {"signal.broadcasted": (1, 1, 0)},
    "TIMER CREATED": {"timer.created": (3, 3, 0)},
    "TIMER TRIGGERED": {"timer.triggered": (3, 3, 0)},
    "TIMER CANCELED": {"timer.canceled": (1, 0, 0)},
    "DECISION_EVALUATION EVALUATED": {"decision.evaluated": (2, 1, 1)},
    "DECISION_EVALUATION FAILED": {"decision.failed": (1, 0, 0)},
    "ESCALATION ESCALATED": {"escalation.escalated": (1, 0, 0)},
    "ESCALATION NOT_ESCALATED": {"escalation.not-escalated": (1, 1, 1)},
    "PROCESS CREATED": {"process.deployed": (14, 16, 10)},
}


def kind_of(document, mapper=ALL):
    """Return the name of the event for *document*, or an empty text."""
    event = mapper.event(document)
    return event.kind if event else ""


def of(value_type, intent, **value):
    """Return the line of a record with only *value* in its value."""
    return line(a_record(valueType=value_type, intent=intent) | {"value": value})


NEWER = {
    "PROCESS_INSTANCE SUSPENDED": "process-instance.suspended",
    "PROCESS_INSTANCE RESUMED": "process-instance.resumed",
}
"""What 8.10 brought, of which there is no recording."""


@pytest.mark.parametrize("record", UNRECORDED, ids=lambda each: each["intent"])
def test_suspension(record):
    """Suspending is an event of process instances, and not of steps."""
    kind = NEWER[f"PROCESS_INSTANCE {record['intent']}"]
    mapper = Mapper({"": Selection(kind.replace(".", ":"))})

    assert kind_of(line(record)) == kind_of(line(record), mapper) == kind
    assert kind_of(line(record), Mapper()) == ""
    step = record | {"value": record["value"] | {"bpmnElementType": "SERVICE_TASK"}}
    assert kind_of(line(step)) == ""


@pytest.mark.parametrize("version", recorded.VERSIONS)
def test_recorded_records(version):
    """All recorded records have the events in the table."""
    place = recorded.VERSIONS.index(version)
    counted = {name: Counter() for name in TABLE}
    for document in recorded.everything(version):
        record = json.loads(document)
        name = f"{record['valueType']} {record['intent']}"
        if record["recordType"] != "EVENT" or name not in TABLE:
            assert kind_of(document) == ""
        else:
            counted[name][kind_of(document)] += 1

    assert counted == {
        name: Counter({kind: counts[place] for kind, counts in kinds.items()})
        for name, kinds in TABLE.items()
    }


def test_every_kind_is_in_the_table():
    """All kinds in the catalog have a record."""
    found = {kind for kinds in TABLE.values() for kind in kinds if kind}
    found |= {*NEWER.values()}

    assert found == {each.name_of(kind) for each in CATALOG for kind in each.kinds}


@pytest.mark.parametrize(
    "changes",
    [
        {"recordType": "COMMAND"},
        {"recordType": "COMMAND_REJECTION"},
        {"recordType": "INVENTED_LATER"},
        {"intent": "INVENTED_LATER", "value": {"assignee": 7}},
        {"valueType": "INVENTED_LATER", "intent": 7, "recordType": None},
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


@pytest.mark.parametrize("name", sorted({*SAMPLES} - {""}))
def test_one_kind_alone(name):
    """A kind selects only this kind, even if others have the same intent."""
    term = name.replace(".", ":")
    bracketed = f"{term}[*]" if name.startswith(("variable", "step")) else term
    mapper = Mapper({"": Selection(bracketed)})

    kinds = {kind_of(document, mapper) for document in SAMPLES.values()}

    assert kinds == {name, ""}


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
    "selection, record, reason",
    [
        ("job", of("JOB", "CREATED", jobKind=7), "value.jobKind is not text"),
        ("job[a]", of("JOB", "CREATED", type=[]), "value.type is not text"),
        ("variable[a]", of("VARIABLE", "CREATED", name="a", value=1), "value.value is"),
    ],
)
def test_wrong_types(selection, record, reason):
    """A selected record with wrong types is unmappable; otherwise it's skipped."""
    with pytest.raises(UnmappableError) as raised:
        Mapper({"": Selection(selection)}).event(record)

    assert str(raised.value).startswith(reason)
    assert Mapper().event(record) is None
