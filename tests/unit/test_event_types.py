"""The fields of all event types have the values of the record."""

import json

import pytest

from exporter.events import CATALOG, EVERYTHING, Mapper, Selection
from exporter.events.fields import Form
from tests import recorded
from tests.records import a_record, line

MAPPER = Mapper({"all": Selection(EVERYTHING)})
TYPE_OF = {each.name_of(kind): (each, kind) for each in CATALOG for kind in each.kinds}
EMPTY = {
    Form.DIGITS: "-1",
    Form.TEXT: "",
    Form.LIST: [],
    Form.OBJECT: {},
    Form.FLAG: False,
    Form.MOMENT: "",
    Form.NUMBER: -1,
}


@pytest.mark.parametrize("version", recorded.VERSIONS)
def test_first_events(version):
    """The first recorded event of each kind is the one in the file."""
    first = {}
    for document in recorded.everything(version):
        if event := MAPPER.event(document):
            first.setdefault(event.kind, event)
    lines = recorded.lines(recorded.DATA / f"events/{version}.jsonl")

    assert lines == [
        b'{"id":"%b","kind":"%b","event":%b}'
        % (first[name].identity.encode(), name.encode(), first[name].body)
        for name in TYPE_OF
        if name in first
    ]


@pytest.mark.parametrize("name", TYPE_OF)
def test_fields_an_old_broker_lacks(name):
    """A record with an empty value becomes an event with empty fields."""
    each, kind = TYPE_OF[name]
    needed = {
        "process-instance": {"bpmnElementType": "PROCESS"},
        "step": {"bpmnElementType": "TASK"},
        "user-task": {"assignee": "ann"} if kind.name == "assigned" else {},
    }.get(each.name, {})
    absent = dict.fromkeys(field.source.removeprefix("value.") for field in each.fields)
    record = a_record(valueType=each.value_type, intent=kind.intent)

    for value in (needed, absent | needed):
        event = MAPPER.event(line(record | {"value": value}))
        body = json.loads(event.body)

        assert event.kind == name
        assert (event.instance, event.lane) == (-1, ("default", -1))
        for field in each.fields_of(kind)[3:]:
            sent = body[field.name]
            if field.source == "key":
                assert sent == str(record["key"])
            elif field.name == "createdAt":
                assert sent == "1969-12-31T23:59:59.999Z"
            elif field.name == "priority":
                assert sent == 50
            elif field.source.removeprefix("value.") not in needed:
                assert sent == EMPTY[field.form]


@pytest.mark.parametrize(
    "value, sent, truncated",
    [("🚀" * 8192, "🚀" * 8192, False), ("é" * 8193, "é" * 8192, True)],
    ids=["longest", "longer"],
)
def test_long_variables(value, sent, truncated):
    """A long value is cut off and marked as truncated."""
    record = a_record(valueType="VARIABLE", value={"name": "a", "value": value})

    event = json.loads(MAPPER.event(line(record)).body)

    assert (event["value"], event["truncated"]) == (sent, truncated)


def test_names():
    """Types, kinds and fields have unique names, and a field name has one form."""
    forms = {}
    for each, kind in TYPE_OF.values():
        names = [field.name for field in each.fields_of(kind)]
        assert len(set(names)) == len(names)
        for field in each.fields_of(kind):
            assert forms.setdefault(field.name, field.form) is field.form
    assert len({each.name for each in CATALOG}) == len(CATALOG)
    assert len(TYPE_OF) == sum(len(each.kinds) for each in CATALOG)


def test_elements():
    """The element that filters compare is a field of its type."""
    for each in CATALOG:
        assert each.element in ("", *(field.in_value for field in each.fields))


def test_what_a_broker_exports_in_brief():
    """Since 8.8, some types need `includeEnabledRecords`."""
    assert {each.name for each in CATALOG if not each.in_brief} == {
        *("message", "message-subscription", "signal", "timer"),
        *("decision", "escalation"),
    }
