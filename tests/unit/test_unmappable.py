"""An unmappable record has a reason."""

import re

import pytest

from exporter.events import Mapper, UnmappableError
from tests.contract import RECORD
from tests.records import a_record, line

MAPPER = Mapper()


@pytest.mark.parametrize(
    "changes, name",
    [
        ({"without": ["valueType"]}, "valueType"),
        ({"recordType": 1}, "recordType"),
        ({"intent": ["CREATED"]}, "intent"),
        ({"partitionId": 0}, "partitionId"),
        ({"position": -1}, "position"),
        ({"timestamp": -1}, "timestamp"),
        ({"without": ["position"]}, "position"),
        ({"timestamp": 1.5}, "timestamp"),
        ({"position": True}, "position"),
        ({"timestamp": 2**63}, "timestamp"),
        ({"key": None}, "key"),
        ({"key": -(2**63) - 1}, "key"),
        ({"brokerVersion": 8}, "brokerVersion"),
        ({"without": ["value"]}, "value"),
        ({"value": {"processInstanceKey": "7"}}, "processInstanceKey"),
        ({"value": {"formKey": 2**63}}, "formKey"),
        ({"value": {"priority": False}}, "priority"),
        ({"value": {"assignee": 7}}, "assignee"),
        ({"value": {"assignee": 7, "dueDate": None}}, "assignee"),
        ({"value": {"tags": {}}}, "tags"),
        ({"value": {"tags": ["a", None]}}, "tags[1]"),
        ({"value": {"customHeaders": {"a": {}}}}, "customHeaders"),
        ({"value": {"customHeaders": []}}, "customHeaders"),
        ({"value": {"creationTimestamp": 2**62}}, "time"),
        ({"value": {"creationTimestamp": -(2**62)}}, "time"),
    ],
    ids=str,
)
def test_fields_of_wrong_types(changes, name):
    """The reason for a wrong type has the field's name."""
    with pytest.raises(UnmappableError, match=re.escape(name)):
        MAPPER.event(line(a_record(**changes)))


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b'{"valueType":"USER_TASK"',
        b"\xff\xfe",
        b"[" * 5000,
        b"[1]",
        b"null",
        line(RECORD | {"value": ["CREATED"]}),
        line(a_record(value={"customHeaders": {"weight": float("nan")}})),
        line(RECORD).replace(b'"demo"', rb'"a lone surrogate \ud83d"'),
        line(RECORD).replace(b'"demo"', b'"not UTF-8 \xff"'),
    ],
    ids=lambda document: repr(document[:30]),
)
def test_documents_without_a_record(document):
    """A document that isn't JSON of an object with a value is unmappable."""
    with pytest.raises(UnmappableError, match="can't be read: "):
        MAPPER.event(document)
