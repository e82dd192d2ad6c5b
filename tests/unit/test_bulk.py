"""The bulk parser splits any body into items."""

import json

import pytest

from exporter.ingest.bulk import BulkParser, Item
from tests import recorded
from tests.records import a_record, action, bulk, line
from tests.unit.bodies import ANSWER, NEWER, OLDER, items_of

NAMELESS = b'{"index":{"_index":"","_id":"","status":201}}'
MIB = 1024 * 1024


def test_the_two_spellings_of_brokers():
    """Both spellings of an action give the same answer and document."""
    assert items_of(OLDER + b"\nA\n" + NEWER + b"\nB\n") == [
        Item(ANSWER, b"A"),
        Item(ANSWER, b"B"),
    ]


def test_brokers_without_routing():
    """An action may have no routing."""
    older = b'{"index":{"_index":"i","_id":"1-7"}}'
    newer = b'{"index":{"_id":"1-7","_index":"i"}}'
    answer = b'{"index":{"_index":"i","_id":"1-7","status":201}}'

    assert items_of(older + b"\nA\n" + newer + b"\nB\n") == [
        Item(answer, b"A"),
        Item(answer, b"B"),
    ]


@pytest.mark.parametrize("name", ["es-exporter-8.6.0-bulk", "typed-os-client-3.4.0"])
def test_recorded_bodies(name):
    """Every recorded document becomes an item with its id."""
    for request in recorded.requests(name):
        lines = request["body"].splitlines()
        identifiers = [json.loads(line)["index"]["_id"] for line in lines[::2]]

        items = items_of(request["body"].encode())

        assert [item.document.decode() for item in items] == lines[1::2]
        answers = [json.loads(item.answer)["index"] for item in items]
        assert [answer["_id"] for answer in answers] == identifiers


def test_index_name_decides():
    """An item of an index that isn't selected has no document."""
    asked = []

    def wanted(index):
        asked.append(index)
        return b"_user-task_" in index

    job, task = a_record(1), a_record(2)
    body = b"%b\n%b\n" % (action(job, "job"), line(job)) + bulk(task)
    items = items_of(body, wanted=wanted)

    assert asked == [
        b"zeebe-record_job_8.6.0_2026-11-23",
        b"zeebe-record_user-task_8.6.0_2026-11-23",
    ]
    assert [item.document for item in items] == [None, line(task)]
    assert [json.loads(item.answer)["index"]["_id"] for item in items] == ["1-1", "1-2"]


@pytest.mark.parametrize(
    "spelled, answer",
    [
        (
            b'{ "index" : { "_index" : "i", "_id" : "7" } }',
            b'{"index":{"_index":"i","_id":"7","status":201}}',
        ),
        (
            b'{"create":{"_index":"i","_id":"7"}}',
            b'{"create":{"_index":"i","_id":"7","status":201}}',
        ),
        (
            b'{"update":{"_index":"i","_id":"7"}}',
            b'{"update":{"_index":"i","_id":"7","status":201}}',
        ),
        (
            b'{"index":{"_index":"i","_id":"7","version":3,"op_type":"create"}}',
            b'{"index":{"_index":"i","_id":"7","status":201}}',
        ),
        (b'{"index":{}}', NAMELESS),
        (
            b'{"index":{"_index":"i"}}',
            b'{"index":{"_index":"i","_id":"","status":201}}',
        ),
        (
            rb'{"index":{"_index":"a\"b\\c","_id":"\u00e9/1"}}',
            '{"index":{"_index":"a\\"b\\\\c","_id":"é/1","status":201}}'.encode(),
        ),
        (
            '{"index":{"_index":"größe","_id":"7"}}'.encode(),
            '{"index":{"_index":"größe","_id":"7","status":201}}'.encode(),
        ),
        (
            rb'{"index":{"_index":"half \ud83d","_id":"7"}}',
            rb'{"index":{"_index":"half \ud83d","_id":"7","status":201}}',
        ),
        (
            b'{"index":{"_index":null,"_id":7}}',
            b'{"index":{"_index":"","_id":"7","status":201}}',
        ),
        (
            b'{"index":{"_index":NaN,"_id":[[[[]]]]}}',
            b'{"index":{"_index":"","_id":"","status":201}}',
        ),
    ],
)
def test_unusual_actions(spelled, answer):
    """The answer has the names of the action, in any spelling."""
    assert items_of(spelled + b"\nA\n") == [Item(answer, b"A")]


@pytest.mark.parametrize("name", [b"other", rb"oth\u0065r"])
def test_unusual_actions_of_other_types(name):
    """An index is recognized in any spelling of the action."""
    body = b'{"create":{"_index":"%b"}}\nA\n' % name

    assert [i.document for i in items_of(body, wanted=lambda i: i != b"other")] == [
        None
    ]


def test_delete_has_no_document():
    """A delete is acknowledged, and has no document."""
    items = items_of(b'{"delete":{"_index":"i","_id":"7"}}\n' + OLDER + b"\nA\n")

    assert items == [
        Item(b'{"delete":{"_index":"i","_id":"7","status":200}}', None),
        Item(ANSWER, b"A"),
    ]


@pytest.mark.parametrize(
    "garbage",
    [
        b"garbage",
        b"{",
        b"7",
        b"null",
        b"[]",
        b"{}",
        b'{"index":7}',
        b'{"index":{},"create":{}}',
        b'{"invented":{"_index":"i"}}',
        b'{"index":{"_index":"\xff"}}',
        b"\x00",
        b"\xff",
        b"[" * 5000,
        line(a_record()),
    ],
    ids=lambda garbage: repr(garbage[:30]),
)
def test_garbage_in_the_place_of_an_action(garbage):
    """A line that isn't an action becomes an item without one."""
    assert items_of(garbage + b"\n" + OLDER + b"\nA\n") == [
        Item(NAMELESS, garbage),
        Item(ANSWER, b"A"),
    ]


def test_no_last_line_end():
    """A body may end without a line end."""
    assert items_of(OLDER + b"\nA") == [Item(ANSWER, b"A")]


def test_an_action_without_its_document():
    """A body that ends after an action has an item with an empty document."""
    assert items_of(OLDER + b"\n") == [Item(ANSWER, b"")]
    assert items_of(OLDER) == [Item(ANSWER, b"")]
    assert items_of(OLDER + b"\n", wanted=lambda _: False) == [Item(ANSWER, None)]


def test_the_end_comes_once():
    """A second `end` yields no items."""
    parser = BulkParser(lambda _: "default")

    assert list(parser.feed(OLDER)) == []
    assert list(parser.end()) == [Item(ANSWER, b"")]
    assert list(parser.end()) == []


def test_windows_line_ends():
    """A line may end with CR LF."""
    items = items_of(OLDER + b"\r\n{}\r\n" + NEWER + b"\r\n{}\r\n")

    assert [item.answer for item in items] == [ANSWER, ANSWER]
    assert [item.document.strip() for item in items] == [b"{}", b"{}"]


def test_blank_lines():
    """Blank lines are skipped, and an empty body has no items."""
    assert items_of(b"\n \n" + OLDER + b"\nA\n\r\n\n" + OLDER + b"\nB\n\n") == [
        Item(ANSWER, b"A"),
        Item(ANSWER, b"B"),
    ]
    assert items_of(b"\n\r\n\t\n") == []
    assert items_of(b"") == []
    assert items_of() == []


def test_an_empty_line_instead_of_a_document():
    """A document may be empty."""
    assert items_of(OLDER + b"\n\n" + OLDER + b"\nB\n") == [
        Item(ANSWER, b""),
        Item(ANSWER, b"B"),
    ]


def test_lines_of_5_mb():
    """A line of 5 MB is complete, even in small chunks."""
    document = b'{"value":"%b"}' % (b"0123456789abcdef" * (5 * MIB // 16))
    body = OLDER + b"\n" + document + b"\n" + OLDER + b"\nA\n"
    chunks = [body[start : start + 4096] for start in range(0, len(body), 4096)]

    items = items_of(*chunks)

    assert items == [Item(ANSWER, document), Item(ANSWER, b"A")]


def test_a_long_line_is_nothing_yet():
    """A line without an end becomes an item at the end of the body."""
    parser = BulkParser(lambda _: "default")

    assert [*parser.feed(OLDER + b"\n"), *parser.feed(b"A" * MIB)] == []
    assert list(parser.end()) == [Item(ANSWER, b"A" * MIB)]
    assert list(parser.end()) == []
