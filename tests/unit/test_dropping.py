"""Dropped fields are left out of all events."""

import json
import re

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
        ("customHeaders.io.x:mail", ("customHeaders.io.x:mail",)),
    ],
)
def test_names(text, names):
    """Names are separated by commas, and a dot is for a name in an object."""
    assert dropped_in(text) == names


@pytest.mark.parametrize(
    "text, term, why",
    [
        ("assignee, Candidateusers", 2, "is candidateUsers meant?"),
        ("asignee.mail", 1, "is assignee meant?"),
        (".mail", 1, "no event has a field"),
        ("customHeaders. mail", 1, "the name after customHeaders. is missing"),
        ("customHeaders.'mail'", 1, "the name after customHeaders. is missing"),
        ("customHeaders.", 1, "the name after customHeaders. is missing"),
        ("assignee candidateUsers", 1, "a comma is missing"),
        ("assignee.mail", 1, "assignee isn't an object"),
        ("assignee,,key", 2, "it is missing"),
    ],
)
def test_wrong_names(text, term, why):
    """A wrong name is an error with the number of its term."""
    with pytest.raises(SelectionError, match=rf"^term {term}\b.*{re.escape(why)}"):
        dropped_in(text)


def test_a_field():
    """A dropped field is left out, and other fields are unchanged."""
    whole = mapper().event(line(RECORD))

    event = mapper("assignee,dueDate").event(line(RECORD))

    left = json.loads(whole.body)
    del left["assignee"], left["dueDate"]
    assert list(json.loads(event.body).items()) == list(left.items())
    assert event == whole._replace(body=event.body)


def test_a_name_in_an_object():
    """A dropped name is left out of an object."""
    headers = {"mail": "ann@x", "app": "teams", "io.x:mail": "ben@x", "mail.to": "a"}
    record = a_record(value={"customHeaders": headers})

    dropped = mapper("customHeaders.mail, customHeaders.io.x:mail")
    event = json.loads(dropped.event(line(record)).body)

    assert event["customHeaders"] == {"app": "teams", "mail.to": "a"}


def test_a_missing_field():
    """Dropping a missing field changes nothing."""
    dropped = "customHeaders, customHeaders.mail, decisionOutput"

    event = json.loads(mapper(dropped).event(line(RECORD)).body)

    assert "customHeaders" not in event
    assert len(event) == 21


def test_lanes_of_events():
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
