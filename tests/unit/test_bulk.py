"""Any body of a bulk request has answers and documents, and nothing is refused."""

import pytest

from exporter.events import Mapper
from exporter.ingest import bulk
from exporter.ingest.bulk import Bulk
from tests.records import a_record, action, line
from tests.records import bulk as body_of
from tests.unit.bodies import ANSWER, NEWER, OLDER, content_of

MIB = 1024 * 1024


def answer(index="", identifier="", operation="index"):
    """Return the answer to an action with these names."""
    about = f'"_index":"{index}","_id":"{identifier}","status":201'
    return f'{{"{operation}":{{{about}}}}}'.encode()


@pytest.mark.parametrize(
    "spelled, expected",
    [
        (OLDER, ANSWER),
        (NEWER, ANSWER),
        (b'{"index":{"_index":"i","_id":"1-7"}}', answer("i", "1-7")),
        (b'{"index":{"_id":"1-7","_index":"i"}}', answer("i", "1-7")),
        (b'{ "index" : { "_index" : "i", "_id" : "7" } }', answer("i", "7")),
        (b'{"index":{"_index":"i","_id":"7","more":"create"}}', answer("i", "7")),
        (b'{"create":{"_index":"i","_id":"7"}}', answer("i", "7", "create")),
        (b'{"index":{}}', answer()),
        (b'{"index":{"_index":"i"}}', answer("i")),
        (rb'{"index":{"_index":"a\"\\","_id":"\u00e9"}}', answer(r"a\"\\", "é")),
        ('{"index":{"_index":"größe","_id":"7"}}'.encode(), answer("größe", "7")),
        (rb'{"index":{"_index":"a \ud83d","_id":"7"}}', answer(r"a \ud83d", "7")),
        (b'{"index":{"_index":null,"_id":7}}', answer("", "7")),
        (b'{"index":{"_index":NaN,"_id":[[[[]]]]}}', answer()),
    ],
)
def test_actions(spelled, expected):
    """The answer has the names of the action, in any spelling."""
    assert content_of(spelled + b"\nA\n") == ([expected], [b"A"])


@pytest.mark.parametrize(
    "job",
    [
        action(a_record(1), "job"),
        b'{"create":{"_index":"zeebe-record_job_8.6.0_2026-11-23"}}',
        rb'{"index":{"_index":"zeebe-record_j\u006fb_8.6.0_2026-11-23"}}',
    ],
)
def test_index_name_decides(job):
    """The document of an index that isn't selected is skipped."""
    asked = []

    def wanted(index):
        asked.append(index)
        return b"_user-task_" in index

    task = a_record(2)
    answers, documents = content_of(job + b"\n{}\n" + body_of(task), wanted=wanted)

    assert asked == [
        b"zeebe-record_job_8.6.0_2026-11-23",
        b"zeebe-record_user-task_8.6.0_2026-11-23",
    ]
    assert documents == [line(task)]
    assert len(answers) == 2


@pytest.mark.parametrize(
    "garbage",
    [
        *(b"garbage", b"{", b"7", b"null", b"[]", b"{}", b"\x00", b"\xff"),
        b'{"index":7}',
        b'{"index":{},"create":{}}',
        b'{"delete":{"_index":"i"}}',
        b'{"index":{"_index":"\xff"}}',
        b"[" * 5000,
        line(a_record()),
    ],
    ids=lambda garbage: repr(garbage[:30]),
)
def test_garbage_in_the_place_of_an_action(garbage):
    """A line that isn't an action is read like a document."""
    assert content_of(garbage + b"\n" + OLDER + b"\nA\n") == (
        [answer(), ANSWER],
        [garbage, b"A"],
    )


@pytest.mark.parametrize(
    "body, documents",
    [
        (b"", []),
        (b"\n\r\n\t\n", []),
        (OLDER + b"\nA", [b"A"]),
        (OLDER, [b""]),
        (OLDER + b"\n", [b""]),
        (OLDER + b"\n\n" + OLDER + b"\nB\n", [b"", b"B"]),
        (OLDER + b"\r\nA\r\n" + NEWER + b"\r\nB\r\n", [b"A\r", b"B\r"]),
        (b"\n \n" + OLDER + b"\nA\n\r\n\n" + OLDER + b"\nB\n\n", [b"A", b"B"]),
    ],
)
def test_line_ends(body, documents):
    """A document may be empty or missing, and other blank lines are skipped."""
    assert content_of(body) == ([ANSWER] * len(documents), documents)


def test_the_last_document_of_an_unwanted_index():
    """A missing document that isn't selected is skipped too."""
    assert content_of(OLDER + b"\n", wanted=lambda _: False) == ([ANSWER], [])


def test_lines_of_5_mb():
    """A line of 5 MB is complete, even in small chunks."""
    document = b'{"value":"%b"}' % (b"0123456789abcdef" * (5 * MIB // 16))
    body = OLDER + b"\n" + document + b"\n" + OLDER + b"\nA\n"
    chunks = [body[start : start + 4096] for start in range(0, len(body), 4096)]

    assert content_of(*chunks) == ([ANSWER, ANSWER], [document, b"A"])


def test_a_mistake_of_ours_refuses_nothing(monkeypatch, caplog):
    """A bug in the mapping makes the record a dead letter."""
    mapper = Mapper()
    monkeypatch.setattr(mapper, "event", lambda *_: 1 / 0)
    content = Bulk(mapper)

    content.feed(OLDER + b"\n{}\n")
    content.end()

    (kept,) = content.unreadable
    assert "ZeroDivisionError" in kept.reason
    assert (kept.action.encode(), kept.body) == (ANSWER, b"{}")
    assert content.answers == [ANSWER]
    assert "record not mapped" in caplog.text


def test_a_flood_of_garbage_becomes_few_dead_letters(monkeypatch):
    """After a thousand dead letters, the rest of a request becomes one."""
    monkeypatch.setattr(bulk, "MOST_LETTERS", 2)
    content = Bulk(Mapper())

    content.feed(b"one\ntwo\nthree\n")
    content.feed(b"four")
    content.end()

    bodies = [each.body for each in content.unreadable]
    assert bodies == [b"one", b"two", b"three\nfour"]
    assert content.unreadable[-1].reason.startswith("2 more lines")
    assert len(content.answers) == 4
