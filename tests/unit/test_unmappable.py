"""A document that can't become an event is refused with a reason."""

import pytest

from exporter.events import Mapper, UnmappableError
from tests.contract import RECORD
from tests.records import a_record, line

MAPPER = Mapper()


def refusal(*args, **changes):
    """Return why a record can't be mapped; *changes* as `a_record` takes them."""
    with pytest.raises(UnmappableError) as raised:
        MAPPER.event(line(a_record(*args, **changes)))
    return str(raised.value)


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"without": ["valueType"]}, "valueType is missing or no text"),
        ({"valueType": None}, "valueType is missing or no text"),
        ({"recordType": 1}, "recordType is missing or no text"),
        ({"without": ["intent"]}, "intent is missing or no text"),
        ({"intent": ["CREATED"]}, "intent is missing or no text"),
        ({"partitionId": "1"}, "partitionId is missing or no 64-bit number"),
        ({"partitionId": 0}, "partitionId is less than 1"),
        ({"partitionId": -1}, "partitionId is less than 1"),
        ({"position": -1}, "position is less than 0"),
        ({"timestamp": -1}, "timestamp is less than 0"),
        ({"without": ["position"]}, "position is missing or no 64-bit number"),
        ({"timestamp": 1.5}, "timestamp is missing or no 64-bit number"),
        ({"position": True}, "position is missing or no 64-bit number"),
        ({"timestamp": "now"}, "timestamp is missing or no 64-bit number"),
        ({"timestamp": 2**63}, "timestamp is missing or no 64-bit number"),
        ({"key": None}, "key is missing or no 64-bit number"),
        ({"key": -(2**63) - 1}, "key is missing or no 64-bit number"),
        ({"without": ["value"]}, "value is missing or no object"),
        (
            {"value": {"processInstanceKey": "7"}},
            "value.processInstanceKey is no 64-bit number",
        ),
        ({"value": {"formKey": 2**63}}, "value.formKey is no 64-bit number"),
        ({"value": {"priority": False}}, "value.priority is no 64-bit number"),
        ({"value": {"assignee": 7}}, "value.assignee is no text"),
        ({"value": {"tags": {}}}, "value.tags is no list of texts"),
        (
            {"value": {"candidateGroupsList": "sales"}},
            "value.candidateGroupsList is no list of texts",
        ),
        ({"value": {"tags": ["a", None]}}, "value.tags is no list of texts"),
        (
            {"value": {"customHeaders": {"a": {}}}},
            "value.customHeaders is no object of texts",
        ),
        ({"value": {"customHeaders": []}}, "value.customHeaders is no object of texts"),
        (
            {"value": {"creationTimestamp": 2**62}},
            "creationTimestamp is no time of this era",
        ),
        (
            {"value": {"creationTimestamp": -(2**62)}},
            "creationTimestamp is no time of this era",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_mapped(changes, reason):
    """A record with a field of the wrong type is refused with the field's name."""
    assert refusal(**changes) == reason


def test_a_value_of_the_wrong_type():
    """A record whose value is no object is refused."""
    with pytest.raises(UnmappableError, match="value is missing or no object"):
        MAPPER.event(line(RECORD | {"value": ["CREATED"]}))


@pytest.mark.parametrize(
    "document, reason",
    [
        (b"", "it is no JSON"),
        (b"{", "it is no JSON"),
        (b'{"valueType":"USER_TASK"', "it is no JSON"),
        (b"\xff\xfe", "it is no JSON"),
        (b"[" * 5000, "it is no JSON"),
        (b"[1]", "it is no JSON object"),
        (b"null", "it is no JSON object"),
        (b'"USER_TASK"', "it is no JSON object"),
    ],
)
def test_what_is_no_record(document, reason):
    """What is no JSON object is refused as such."""
    with pytest.raises(UnmappableError) as raised:
        MAPPER.event(document)

    assert str(raised.value).startswith(reason)


def test_a_number_that_is_none():
    """NaN, which some writers produce, can't be sent: no backend could read it."""
    document = line(a_record(value={"customHeaders": {"weight": float("nan")}}))

    with pytest.raises(UnmappableError):
        MAPPER.event(document)
