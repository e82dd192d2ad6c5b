"""The fields of an event have the values of the record."""

import json

import pytest

from exporter.events import Mapper, Selection
from tests.records import a_record, line

MAPPER = Mapper()


def mapped(*args, **changes):
    """Return the decoded event of a record; *changes* are for `a_record`."""
    return json.loads(MAPPER.event(line(a_record(*args, **changes))).body)


def test_priority_is_sent_as_it_is():
    """A missing priority has the default, and zero stays zero."""
    assert mapped(value={"priority": 0})["priority"] == 0
    assert mapped(value={"priority": 99})["priority"] == 99
    assert mapped(without=["priority"])["priority"] == 50


def test_tags_of_newer_brokers():
    """Tags of brokers since 8.9 keep their order."""
    assert mapped(value={"tags": ["b", "a"]})["tags"] == ["b", "a"]


@pytest.mark.parametrize(
    "milliseconds, text",
    [
        (1795446847151, "2026-11-23T15:14:07.151Z"),
        (1795446847150, "2026-11-23T15:14:07.150Z"),
        (1795446847100, "2026-11-23T15:14:07.100Z"),
        (1795446847001, "2026-11-23T15:14:07.001Z"),
        (1795446847000, "2026-11-23T15:14:07Z"),
        (1795446840000, "2026-11-23T15:14:00Z"),
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (253402300799999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_created_at(milliseconds, text):
    """A time has no fraction or three digits, as in Java."""
    assert mapped(value={"creationTimestamp": milliseconds})["createdAt"] == text


@pytest.mark.parametrize(
    "date",
    [
        "2026-12-01T10:00Z",
        "2026-11-30T10:00+01:00",
        "2026-12-24T00:00:00+01:00[Europe/Berlin]",
        "",
        "no date at all",
    ],
)
def test_dates_as_they_are(date):
    """Due dates are not changed."""
    event = mapped(value={"dueDate": date, "followUpDate": date})

    assert (event["dueDate"], event["followUpDate"]) == (date, date)


def test_keys_are_exact():
    """Large keys keep all digits, in the event and its identity."""
    largest, smallest = 2**63 - 1, -(2**63)
    event = MAPPER.event(
        line(
            a_record(
                position=largest,
                key=largest,
                timestamp=largest,
                value={
                    "userTaskKey": largest,
                    "processInstanceKey": 2**53 + 1,
                    "formKey": smallest,
                },
            )
        )
    )

    assert event.identity == "1-9223372036854775807-9223372036854775807"
    assert event.key == largest
    assert event.instance == 9007199254740993
    body = json.loads(event.body)
    assert body["id"] == body["userTaskKey"] == "9223372036854775807"
    assert body["processInstanceKey"] == "9007199254740993"
    assert body["formKey"] == "-9223372036854775808"


def test_text_of_all_kinds():
    """Texts are UTF-8 without escapes."""
    text = 'größte Gruppe/ключ ✅ 🚀 "\\ \x00\n'

    event = MAPPER.event(line(a_record(value={"assignee": text})))

    assert json.loads(event.body)["assignee"] == text
    assert "größte Gruppe/ключ ✅ 🚀".encode() in event.body


def test_a_lone_surrogate():
    """An event with a lone surrogate is escaped."""
    document = line(a_record(value={"elementId": "größe"})).replace(
        b'"demo"', rb'"half \ud83d of/it"'
    )

    event = MAPPER.event(document)

    event.body.decode("ascii")
    assert b"of/it" in event.body
    assert json.loads(event.body)["assignee"] == "half \ud83d of/it"
    assert json.loads(event.body)["elementId"] == "größe"


@pytest.mark.parametrize("milliseconds", [2**63 - 1, -(2**63), 253_402_300_800_000])
def test_a_moment_of_another_era(milliseconds):
    """A time outside the years 1 to 9999 is empty."""
    record = a_record(valueType="MESSAGE", intent="PUBLISHED")
    record |= {"value": {"name": "paid", "deadline": milliseconds}}

    event = Mapper({"default": Selection("message")}).event(line(record))

    assert json.loads(event.body)["deadline"] == ""
