"""An unmappable record has a reason."""

import pytest

from exporter.events import Mapper, UnmappableError
from tests.contract import RECORD
from tests.records import a_record, line

MAPPER = Mapper()


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"without": ["valueType"]}, "valueType is missing or not text"),
        ({"recordType": 1}, "recordType is missing or not text"),
        ({"intent": ["CREATED"]}, "intent is missing or not text"),
        ({"partitionId": 0}, "partitionId is less than 1"),
        ({"position": -1}, "position is less than 0"),
        ({"timestamp": -1}, "timestamp is less than 0"),
        ({"without": ["position"]}, "position is missing or not a 64-bit number"),
        ({"timestamp": 1.5}, "timestamp is missing or not a 64-bit number"),
        ({"position": True}, "position is missing or not a 64-bit number"),
        ({"timestamp": 2**63}, "timestamp is missing or not a 64-bit number"),
        ({"key": None}, "key is missing or not a 64-bit number"),
        ({"key": -(2**63) - 1}, "key is missing or not a 64-bit number"),
        ({"without": ["value"]}, "value is missing or not an object"),
        (
            {"value": {"processInstanceKey": "7"}},
            "value.processInstanceKey is not",
        ),
        ({"value": {"formKey": 2**63}}, "value.formKey is not a 64-bit number"),
        ({"value": {"priority": False}}, "value.priority is not a 64-bit number"),
        ({"value": {"assignee": 7}}, "value.assignee is not text"),
        ({"value": {"tags": {}}}, "value.tags is not a list of texts"),
        ({"value": {"tags": ["a", None]}}, "value.tags is not a list of texts"),
        (
            {"value": {"customHeaders": {"a": {}}}},
            "value.customHeaders is not",
        ),
        ({"value": {"customHeaders": []}}, "value.customHeaders is not"),
        ({"value": {"creationTimestamp": 2**62}}, "creationTimestamp is not in the"),
        ({"value": {"creationTimestamp": -(2**62)}}, "creationTimestamp is not in the"),
        ({"value": {"customHeaders": {"weight": float("nan")}}}, ""),
    ],
    ids=str,
)
def test_fields_of_wrong_types(changes, reason):
    """The reason for a wrong type has the field's name."""
    with pytest.raises(UnmappableError) as raised:
        MAPPER.event(line(a_record(**changes)))

    assert str(raised.value).startswith(reason)


@pytest.mark.parametrize(
    "document, reason",
    [
        (b"", "it is not JSON"),
        (b'{"valueType":"USER_TASK"', "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"[" * 5000, "it is not JSON"),
        (b"[1]", "it is not a JSON object"),
        (b"null", "it is not a JSON object"),
        (line(RECORD | {"value": ["CREATED"]}), "value is missing or not an object"),
    ],
    ids=lambda document: repr(document[:30]),
)
def test_documents_without_a_record(document, reason):
    """A document that isn't a JSON object with a value is unmappable."""
    with pytest.raises(UnmappableError) as raised:
        MAPPER.event(document)

    assert str(raised.value).startswith(reason)
