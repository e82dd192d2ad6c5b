"""An unmappable record has a reason."""

import pytest

from exporter.events import Mapper, UnmappableError
from tests.contract import RECORD
from tests.records import a_record, line

MAPPER = Mapper()


def refusal(*args, **changes):
    """Return the reason why a record can't be mapped; *changes* are for `a_record`."""
    with pytest.raises(UnmappableError) as raised:
        MAPPER.event(line(a_record(*args, **changes)))
    return str(raised.value)


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"without": ["valueType"]}, "valueType is missing or not text"),
        ({"valueType": None}, "valueType is missing or not text"),
        ({"recordType": 1}, "recordType is missing or not text"),
        ({"without": ["intent"]}, "intent is missing or not text"),
        ({"intent": ["CREATED"]}, "intent is missing or not text"),
        ({"partitionId": "1"}, "partitionId is missing or not a 64-bit number"),
        ({"partitionId": 0}, "partitionId is less than 1"),
        ({"partitionId": -1}, "partitionId is less than 1"),
        ({"position": -1}, "position is less than 0"),
        ({"timestamp": -1}, "timestamp is less than 0"),
        ({"without": ["position"]}, "position is missing or not a 64-bit number"),
        ({"timestamp": 1.5}, "timestamp is missing or not a 64-bit number"),
        ({"position": True}, "position is missing or not a 64-bit number"),
        ({"timestamp": "now"}, "timestamp is missing or not a 64-bit number"),
        ({"timestamp": 2**63}, "timestamp is missing or not a 64-bit number"),
        ({"key": None}, "key is missing or not a 64-bit number"),
        ({"key": -(2**63) - 1}, "key is missing or not a 64-bit number"),
        ({"without": ["value"]}, "value is missing or not an object"),
        (
            {"value": {"processInstanceKey": "7"}},
            "value.processInstanceKey is not a 64-bit number",
        ),
        ({"value": {"formKey": 2**63}}, "value.formKey is not a 64-bit number"),
        ({"value": {"priority": False}}, "value.priority is not a 64-bit number"),
        ({"value": {"assignee": 7}}, "value.assignee is not text"),
        ({"value": {"tags": {}}}, "value.tags is not a list of texts"),
        (
            {"value": {"candidateGroupsList": "sales"}},
            "value.candidateGroupsList is not a list of texts",
        ),
        ({"value": {"tags": ["a", None]}}, "value.tags is not a list of texts"),
        (
            {"value": {"customHeaders": {"a": {}}}},
            "value.customHeaders is not an object of texts",
        ),
        (
            {"value": {"customHeaders": []}},
            "value.customHeaders is not an object of texts",
        ),
        (
            {"value": {"creationTimestamp": 2**62}},
            "creationTimestamp is not in the years",
        ),
        (
            {"value": {"creationTimestamp": -(2**62)}},
            "creationTimestamp is not in the years",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_mapped(changes, reason):
    """The reason for a wrong type has the field's name."""
    assert refusal(**changes).startswith(reason)


def test_a_value_of_the_wrong_type():
    """A record without an object as its value is unmappable."""
    with pytest.raises(UnmappableError, match="value is missing or not an object"):
        MAPPER.event(line(RECORD | {"value": ["CREATED"]}))


@pytest.mark.parametrize(
    "document, reason",
    [
        (b"", "it is not JSON"),
        (b"{", "it is not JSON"),
        (b'{"valueType":"USER_TASK"', "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"[" * 5000, "it is not JSON"),
        (b"[1]", "it is not a JSON object"),
        (b"null", "it is not a JSON object"),
        (b'"USER_TASK"', "it is not a JSON object"),
    ],
)
def test_what_is_no_record(document, reason):
    """A document that isn't a JSON object is unmappable."""
    with pytest.raises(UnmappableError) as raised:
        MAPPER.event(document)

    assert str(raised.value).startswith(reason)


def test_a_number_that_is_none():
    """NaN is unmappable, because it isn't valid JSON."""
    document = line(a_record(value={"customHeaders": {"weight": float("nan")}}))

    with pytest.raises(UnmappableError):
        MAPPER.event(document)
