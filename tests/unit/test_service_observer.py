"""The service counts and logs what comes in, and doesn't repeat log lines."""

import logging

import pytest

from devkit.clock import Clock
from exporter.ingest import Received
from exporter.spool import Accepted, Entry, Held, Unreadable
from exporter.watch.service import ServiceObserver
from tests.unit.spools import an_event


@pytest.fixture
def clock():
    """Return a clock that only the test moves."""
    return Clock()


@pytest.fixture
def observer(clock, caplog):
    """Return an observer whose log lines are captured."""
    caplog.set_level(logging.DEBUG)
    return ServiceObserver(now=clock)


def count(observer, name, **labels):
    """Return the value of a metric."""
    return observer.registry.get_sample_value(
        f"app_integrations_exporter_{name}", labels
    )


def lines(caplog):
    """Return level and message of each log line, oldest first."""
    return [(record.levelname, record.message) for record in caplog.records]


def a_bulk(records=0, *, entries=0, reasons=(), **became):
    """Return an accepted bulk request; *became* is the spool's result."""
    accepted = Accepted(
        [Entry(number, an_event(number)) for number in range(entries)],
        **({"dead_letters": 0, "repeats": 0, "epochs": ()} | became),
    )
    return Received(
        records=records,
        events=entries + accepted.repeats,
        unreadable=[
            Unreadable(reason, f"1-{number}", b"")
            for number, reason in enumerate(reasons)
        ],
        accepted=accepted,
        seconds=0.004,
    )


def test_an_accepted_bulk(observer, caplog):
    """An accepted request is counted by its records, and not logged."""
    observer.received(a_bulk(records=10, entries=3, repeats=2))

    results = {
        result: count(observer, "ingest_records_total", result=result)
        for result in ("accepted", "repeat", "dead_letter", "not_selected")
    }
    assert results == {
        "accepted": 3,
        "repeat": 2,
        "dead_letter": 0,
        "not_selected": 5,
    }
    assert count(observer, "ingest_bulk_duration_seconds_count") == 1
    assert count(observer, "ingest_bulk_duration_seconds_sum") == 0.004
    assert lines(caplog) == []


def test_unreadable_records(observer, caplog):
    """Records that can't be mapped are counted, and logged once for each reason."""
    observer.received(
        a_bulk(records=4, dead_letters=3, reasons=["no JSON", "no key", "no JSON"])
    )

    assert count(observer, "ingest_records_total", result="dead_letter") == 3
    assert count(observer, "ingest_records_total", result="not_selected") == 1
    assert count(observer, "ingest_records_total", result="repeat") == 0
    message = "records became dead letters: they can't be mapped"
    assert lines(caplog) == [("ERROR", message), ("ERROR", message)]
    logged = [(line.reason, line.records, line.first) for line in caplog.records]
    assert logged == [("no JSON", 2, "1-0"), ("no key", 1, "1-1")]


def test_unreadable_records_in_a_row(observer, clock, caplog):
    """A repeated reason is logged every half a minute."""
    for _ in range(61):
        observer.received(a_bulk(records=1, dead_letters=1, reasons=["no key"]))
        clock.seconds += 1

    assert len(caplog.records) == 3


def test_unreadable_records_before(observer, caplog):
    """A repeat of an unreadable record counts as a repeat, and isn't logged."""
    observer.received(a_bulk(records=2, dead_letters=0, reasons=["no JSON", "no key"]))

    assert count(observer, "ingest_records_total", result="dead_letter") == 0
    assert count(observer, "ingest_records_total", result="repeat") == 2
    assert lines(caplog) == []


def test_positions_that_start_again(observer, caplog):
    """A new epoch is logged with its tenant, partition and position."""
    observer.received(a_bulk(records=1, entries=1, epochs=[an_event(5)]))

    assert count(observer, "ingest_epochs_total") == 1
    (record,) = caplog.records
    assert (record.levelname, record.physical_tenant) == ("WARNING", "default")
    assert (record.partition, record.position) == (1, 5)


def test_positions_that_start_again_all_the_time(observer, caplog):
    """Every new epoch is counted, but each partition is logged only once in a while."""
    for tenant in 3 * ["default", "east"]:
        event = an_event(5, tenant=tenant)
        observer.received(a_bulk(records=1, entries=1, epochs=[event]))

    assert count(observer, "ingest_epochs_total") == 6
    assert [each.physical_tenant for each in caplog.records] == ["default", "east"]


def test_a_spool_that_fills_up(observer, caplog):
    """Each step on the way to full is a warning, and again after the spool emptied."""
    for filled in (0.1, 0.5, 0.6, 0.85, 0.96, 0.97, 0.2, 0.55):
        observer.received(a_bulk(records=1, filled=filled))

    logged = [record.percent for record in caplog.records]
    assert logged == [50, 85, 96, 55]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


@pytest.mark.parametrize("status", [401, 429, 503])
def test_refusals_in_a_row(observer, caplog, status):
    """Repeated refusals are one log line, and their end is another."""
    for _ in range(30):
        observer.refused(status, "This happened. Do that")
    observer.received(a_bulk())
    observer.received(a_bulk())

    assert count(observer, "ingest_refusals_total", status=str(status)) == 30
    assert lines(caplog) == [
        ("WARNING", "request refused"),
        ("INFO", "bulk requests are accepted again"),
    ]
    assert caplog.records[0].status == status
    assert caplog.records[0].reason == "This happened. Do that"


def test_refusals_that_change(observer, clock, caplog):
    """A refusal with another status, or after a success, is logged."""
    observer.refused(429, "full")
    observer.refused(503, "disk")
    observer.received(a_bulk())
    observer.refused(503, "disk")
    observer.received(a_bulk())
    observer.refused(503, "disk")
    clock.seconds += 30
    observer.received(a_bulk())

    assert [getattr(record, "status", None) for record in caplog.records] == [
        429,
        503,
        None,
        503,
        None,
    ]
    assert count(observer, "ingest_refusals_total", status="429") == 1
    assert count(observer, "ingest_refusals_total", status="503") == 3


def test_refusals_that_hinder_nobody(observer, caplog):
    """The end of a refusal that doesn't hinder the broker isn't logged."""
    observer.refused(404, "not served here")
    observer.received(a_bulk())

    assert lines(caplog) == [("WARNING", "request refused")]


def test_refusals_of_other_kinds(observer):
    """A status without its own series counts as 400."""
    observer.refused(417, "Expectation Failed")

    assert count(observer, "ingest_refusals_total", status="400") == 1
    assert count(observer, "ingest_refusals_total", status="417") is None


def test_answers(observer):
    """Each answer is counted by its status, and a rare status as other."""
    for status in (200, 200, 429, 500, 418):
        observer.answered(status)

    shown = {
        status: count(observer, "ingest_answers_total", status=status)
        for status in ("200", "429", "503", "other")
    }
    assert shown == {"200": 2, "429": 1, "503": 0, "other": 2}
    assert count(observer, "ingest_answers_total", status="500") is None


def test_what_came_in(observer):
    """New events and unreadable records count as inflow; repeats don't."""
    entries = [Entry(number, an_event(number, body=b"12345")) for number in (1, 2)]
    unreadable = [Unreadable("no JSON", f"1-{n}", b"1234") for n in (3, 4)]
    accepted = Accepted(entries, dead_letters=1, repeats=7, epochs=())

    observer.received(Received(11, 9, unreadable, accepted, 0.001))

    assert observer.inflow.bytes_per_second * 60 == pytest.approx(2 * 5 + 4)


def test_events_of_a_backend_of_the_past(observer, caplog):
    """Events of a backend that isn't configured are a warning with a remedy."""
    observer.left_behind("old", Held(3, 900), Held(1, 300))

    (record,) = caplog.records
    assert (record.levelname, record.message) == (
        "WARNING",
        "events wait for a backend that isn't configured any more",
    )
    assert (record.backend, record.events, record.dead_letters) == ("old", 3, 1)
    assert "app-integrations-exporter backends" in record.remedy
