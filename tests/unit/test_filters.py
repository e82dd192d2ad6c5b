"""Filters leave out selected events."""

import pytest

from exporter.events import (
    EVERYTHING,
    Filter,
    Filters,
    Mapper,
    Selection,
    SelectionError,
)
from tests.records import a_record, line


@pytest.mark.parametrize(
    "patterns, passing, kept_away",
    [
        ("", ["a", "b", "!"], []),
        ("a", ["a"], ["b", "A", "aa", "ba"]),
        ("a, b", ["a", "b"], ["c", "a, b"]),
        ("order-*", ["order-", "order-7", "order-7\n8"], ["order", "my-order-7"]),
        ("*-eu", ["a-eu"], ["a-eu "]),
        ("order-?", ["order-7"], ["order-", "order-77"]),
        ("!a", ["b", "!a"], ["a"]),
        ("! a", ["b"], ["a"]),
        ("*, !a*", ["b"], ["a", "ab"]),
        ("!a*, ab", [], ["ab", "b"]),
        ("order-*, !order-test", ["order-7"], ["order-test", "invoice"]),
        ("<default>", ["<default>"], ["acme"]),
        ("größte-Gruppe", ["größte-Gruppe"], ["größte"]),
        (" a , c,\n!d* ", ["a", "c"], ["b", "d1"]),
    ],
)
def test_patterns(patterns, passing, kept_away):
    """A text passes if a pattern includes it and none excludes it."""
    each = Filter(patterns)

    assert [text for text in passing if not each.passes(text)] == []
    assert [text for text in kept_away if each.passes(text)] == []
    assert each.passes("")  # there is nothing to compare


@pytest.mark.parametrize(
    "patterns, wrong",
    [
        ("!", "term 1 (!): a pattern is missing after !"),
        ("a, ! , b", "term 2 (!): a pattern is missing after !"),
        (",", "term 1: it is missing"),
        ("a,, b", "term 2: it is missing"),
        ("a, ", "term 2: it is missing"),
        ("a, 'b*'", "term 2 ('b*'): no id has ' in it"),
        ('"a,b"', 'term 1 ("a): no id has " in it'),
        ("!a !b", "term 1 (!a !b): a comma is missing"),
        ("a\nb", "term 1 (a b): a comma is missing"),
        ("!a; !b", "term 1 (!a; !b): no id has ; in it"),
        ("[a, b]", "term 1 ([a, b]): no id has [ in it"),
        ("!!a", "term 1 (!!a): no id has ! in it"),
    ],
)
def test_what_is_wrong(patterns, wrong):
    """A pattern that can never match is an error."""
    with pytest.raises(SelectionError) as raised:
        Filter(patterns)

    assert str(raised.value) == wrong


def of(value_type, intent, **value):
    """Return a record with only *value* in its value."""
    return a_record(valueType=value_type, intent=intent) | {"value": value}


TASK = of(
    "USER_TASK", "CREATED", bpmnProcessId="order", tenantId="acme", elementId="approve"
)
INSTANCE = of(
    "PROCESS_INSTANCE",
    "ELEMENT_ACTIVATED",
    bpmnElementType="PROCESS",
    bpmnProcessId="order",
    tenantId="acme",
    elementId="order",
)
TIMER = of("TIMER", "CREATED", targetElementId="remind", tenantId="acme")
ESCALATION = of("ESCALATION", "ESCALATED", throwElementId="late", catchElementId="x")
SIGNAL = of("SIGNAL", "BROADCASTED", signalName="stop", tenantId="acme")


@pytest.mark.parametrize(
    "record, filters, passes",
    [
        (TASK, {}, True),
        (TASK, {"processes": "order", "tenants": "acme", "elements": "approve"}, True),
        (TASK, {"elements": "!reject"}, True),
        (TASK, {"elements": "!app*"}, False),
        (TASK, {"processes": "invoice"}, False),
        (TASK, {"processes": "order", "tenants": "other"}, False),
        (INSTANCE, {"processes": "order"}, True),
        (INSTANCE, {"processes": "!order"}, False),
        (INSTANCE, {"elements": "approve"}, True),  # a whole process isn't an element
        (TIMER, {"elements": "remind"}, True),
        (TIMER, {"elements": "approve"}, False),
        (TIMER, {"processes": "invoice"}, True),  # its records don't name the process
        (ESCALATION, {"elements": "late", "tenants": "other"}, True),
        (ESCALATION, {"elements": "x"}, False),
        (SIGNAL, {"processes": "order", "elements": "approve"}, True),
        (SIGNAL, {"tenants": "other"}, False),
    ],
)
def test_filters(record, filters, passes):
    """An event must pass all filters that have a value to compare."""
    each = Filters(**{name: Filter(text) for name, text in filters.items()})
    mapper = Mapper({"only": Selection(EVERYTHING, each)})

    assert (mapper.event(line(record)) is not None) is passes


def test_each_backend_has_its_own():
    """Each backend has its own filters."""
    mapper = Mapper(
        {
            "one": Selection(filters=Filters(tenants=Filter("acme"))),
            "two": Selection(filters=Filters(tenants=Filter("!acme"))),
            "three": Selection(filters=Filters()),
        }
    )

    assert mapper.event(line(TASK)).backends == ("one", "three")
