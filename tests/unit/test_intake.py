"""Content is never refused."""

import logging

from exporter.events import Mapper
from exporter.ingest import intake as module
from exporter.ingest.intake import Intake

BODY = b"""{"index":{"_id":"1-7","_index":"zeebe-record_user-task_8.6.0_2026-11-23"}}
{"valueType":"USER_TASK"}
"""


def test_a_mistake_of_ours_refuses_nothing(monkeypatch, caplog):
    """A bug in the mapping makes the record a dead letter."""
    caplog.set_level(logging.ERROR)
    mapper = Mapper()
    monkeypatch.setattr(mapper, "event", lambda *_: 1 / 0)
    intake = Intake(mapper)

    intake.feed(BODY)
    intake.end()

    (kept,) = intake.unreadable
    assert "ZeroDivisionError" in kept.reason
    assert '"_id":"1-7"' in kept.action
    assert kept.body == b'{"valueType":"USER_TASK"}'
    assert len(intake.answers) == 1
    assert "record not mapped" in caplog.text


def test_a_flood_of_garbage_becomes_few_dead_letters(monkeypatch):
    """After a thousand dead letters, the rest of a request becomes one."""
    monkeypatch.setattr(module, "MOST_LETTERS", 2)
    intake = Intake(Mapper())

    intake.feed(b"one\ntwo\nthree\n")
    intake.feed(b"four")
    intake.end()

    assert [each.body for each in intake.unreadable] == [b"one", b"two", b"three\nfour"]
    assert intake.unreadable[-1].reason.startswith("2 more lines")
    assert len(intake.answers) == 4
