"""Dropped fields are left out of all events."""

import json

import pytest

from exporter.events import (
    EVERYTHING,
    Mapper,
    Selection,
    SelectionError,
    dropped_in,
)
from tests import recorded
from tests.contract import RECORD
from tests.records import a_record, line


def mapper(dropped=""):
    """Return a mapper for all events, without the *dropped* fields."""
    return Mapper({"only": Selection(EVERYTHING)}, dropped_in(dropped))


@pytest.mark.parametrize(
    "text, names",
    [
        ("", ()),
        ("assignee", ("assignee",)),
        (" assignee ,\ncustomHeaders.mail", ("assignee", "customHeaders.mail")),
        ("customHeaders", ("customHeaders",)),
        (
            "customHeaders.io.camunda.zeebe:assignee",
            ("customHeaders.io.camunda.zeebe:assignee",),
        ),
        ("deniedReason, failureMessage", ("deniedReason", "failureMessage")),
    ],
)
def test_names(text, names):
    """Names are separated by commas, and a dot is for a name in an object."""
    assert dropped_in(text) == names


@pytest.mark.parametrize(
    "text, wrong",
    [
        (
            "assignee, Candidateusers",
            (
                "term 2 (Candidateusers): "
                "no event has a field Candidateusers (is candidateUsers meant?)"
            ),
        ),
        (
            "customHeaders. mail",
            "term 1 (customHeaders. mail): the name after customHeaders. is missing",
        ),
        (
            "customHeaders.'mail'",
            "term 1 (customHeaders.'mail'): the name after customHeaders. is missing",
        ),
        (
            "assignee candidateUsers",
            "term 1 (assignee candidateUsers): a comma is missing",
        ),
        (
            "asignee.mail",
            "term 1 (asignee.mail): no event has a field asignee (is assignee meant?)",
        ),
        (
            "assignee.mail",
            "term 1 (assignee.mail): assignee isn't an object",
        ),
        (
            "customHeaders.",
            "term 1 (customHeaders.): the name after customHeaders. is missing",
        ),
        ("assignee,,key", "term 2: it is missing"),
        (".mail", "term 1 (.mail): no event has a field "),
    ],
)
def test_names_that_are_wrong(text, wrong):
    """An unknown name is an error."""
    with pytest.raises(SelectionError) as raised:
        dropped_in(text)

    assert str(raised.value).startswith(wrong)


def test_a_field():
    """A dropped field is left out, and other fields are unchanged."""
    whole = mapper().event(line(RECORD))

    event = mapper("assignee,dueDate").event(line(RECORD))

    left = json.loads(whole.body)
    del left["assignee"], left["dueDate"]
    assert list(json.loads(event.body).items()) == list(left.items())
    assert event == whole._replace(body=event.body)


def test_something_in_an_object():
    """A dropped name is left out of an object."""
    headers = {"mail": "ann@x", "app": "teams", "io.x:mail": "ben@x", "mail.to": "a"}
    record = a_record(value={"customHeaders": headers})

    dropped = mapper("customHeaders.mail, customHeaders.io.x:mail")
    event = json.loads(dropped.event(line(record)).body)

    assert event["customHeaders"] == {"app": "teams", "mail.to": "a"}


def test_something_that_is_not_there():
    """Dropping a missing field changes nothing."""
    dropped = "customHeaders, customHeaders.mail, decisionOutput"

    event = json.loads(mapper(dropped).event(line(RECORD)).body)

    assert "customHeaders" not in event
    assert len(event) == 21


def test_keys_of_an_event_stay():
    """Dropped keys don't change the lane of an event."""
    event = mapper("id, processInstanceKey").event(line(RECORD))

    assert event.key == RECORD["key"]
    assert event.instance == RECORD["value"]["processInstanceKey"]


@pytest.mark.parametrize("version", recorded.VERSIONS)
def test_every_recorded_event(version):
    """In all recorded events, only the dropped fields are gone."""
    names = ["tenantId", "errorMessage", "value", "intent", "customHeaders"]
    whole, dropping = mapper(), mapper(",".join(names))
    for document in recorded.everything(version):
        if event := whole.event(document):
            left = json.loads(event.body)
            for name in names:
                left.pop(name, None)
            assert json.loads(dropping.event(document).body) == left
