"""The service counts and logs what comes in."""

import logging

import pytest

from exporter.ingest import Received
from exporter.spool import Accepted, Entry, Held, Unreadable
from exporter.watch.service import ServiceObserver
from tests.unit.spools import an_event

REFUSED = ("WARNING", "request refused")
OVER = ("INFO", "bulk requests are accepted again")


@pytest.fixture
def observer(caplog):
    """Return an observer whose log lines are captured."""
    caplog.set_level(logging.DEBUG)
    return ServiceObserver()


def lines(caplog):
    """Return level and message of each log line, oldest first."""
    return [(record.levelname, record.message) for record in caplog.records]


def a_bulk(records=0, *, entries=0, reasons=(), **became):
    """Return an accepted bulk request; *became* is the spool's result."""
    accepted = Accepted(
        [Entry(number, an_event(number, body=b"12345")) for number in range(entries)],
        **({"dead_letters": 0, "repeats": 0, "epochs": ()} | became),
    )
    return Received(
        records=records,
        events=entries + accepted.repeats + accepted.unknown,
        unreadable=[
            Unreadable(reason, f"1-{number}", b"1234")
            for number, reason in enumerate(reasons)
        ],
        accepted=accepted,
        seconds=0.004,
    )


@pytest.mark.parametrize(
    "bulk, results",
    [
        (a_bulk(10, entries=3, repeats=2, unknown=1), (3, 2, 0, 5)),
        (a_bulk(4, dead_letters=3, reasons=["no JSON"] * 3), (0, 0, 3, 1)),
        (a_bulk(2, dead_letters=0, reasons=["no JSON"] * 2), (0, 2, 0, 0)),
    ],
)
def test_records(observer, bulk, results):
    """Each record counts as accepted, repeat, dead letter or not selected."""
    observer.received(bulk)

    names = ("accepted", "repeat", "dead_letter", "not_selected")
    assert observer.records == dict(zip(names, results, strict=True))
    bulks = next(iter(observer.metrics.collect())).samples
    assert [x.value for x in bulks if x.name.endswith("_sum")] == [0.004]


def test_the_normal_case(observer, caplog):
    """An accepted request isn't logged, nor is an unreadable record that repeats."""
    observer.received(a_bulk(10, entries=3, repeats=2, reasons=["no JSON"]))

    assert lines(caplog) == []


def test_unreadable_records(observer, caplog):
    """Records that can't be mapped are one line, with the first one and its reason."""
    for reason in ("no JSON", "no JSON", "no key"):
        observer.received(a_bulk(3, dead_letters=2, reasons=[reason, "another"]))

    logged = [(each.reason, each.records, each.first) for each in caplog.records]
    assert logged == [("no JSON", 2, "1-0"), ("no key", 2, "1-0")]
    assert {each.levelname for each in caplog.records} == {"ERROR"}


def test_positions_that_start_again(observer, caplog):
    """Every new epoch is counted, and logged once for each partition."""
    for tenant in 3 * ["default", "east"]:
        event = an_event(5, tenant=tenant)
        observer.received(a_bulk(1, entries=1, epochs=[event]))

    assert observer.epochs == 6
    logged = [(x.physical_tenant, x.partition, x.position) for x in caplog.records]
    assert logged == [("default", 1, 5), ("east", 1, 5)]
    assert {each.levelname for each in caplog.records} == {"WARNING"}


def test_a_spool_that_fills_up(observer, caplog):
    """Each step on the way to full is a warning, and again after the spool emptied."""
    for filled in (0.1, 0.5, 0.6, 0.8, 0.96, 0.97, 0.2, 0.55):
        observer.received(a_bulk(filled=filled))

    assert [record.percent for record in caplog.records] == [50, 80, 96, 55]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


@pytest.mark.parametrize("status", [401, 429, 503])
def test_refusals_in_a_row(observer, caplog, status):
    """Repeated refusals are one log line, and their end is another."""
    for _ in range(30):
        observer.refused(status, "This happened. Do that")
    for _ in range(2):
        observer.received(a_bulk())

    assert lines(caplog) == [REFUSED, OVER]
    assert caplog.records[0].status == status
    assert caplog.records[0].reason == "This happened. Do that"


def test_refusals_that_hinder_nobody(observer, caplog):
    """The end of a refusal is logged only if it hindered the broker."""
    observer.refused(404, "not served here")
    observer.received(a_bulk())
    observer.refused(503, "disk")
    observer.refused(404, "not served here")
    observer.received(a_bulk())

    assert lines(caplog) == [REFUSED, REFUSED, OVER]


def test_answers(observer):
    """Each answer is counted by its status, and a rare status as other."""
    for status in (200, 200, 429, 500, 418):
        observer.answered(status)

    counted = {status: count for status, count in observer.answers.items() if count}
    assert counted == {"200": 2, "429": 1, "other": 2}


@pytest.mark.parametrize("dead_letters, size", [(2, 2 * 5 + 2 * 4), (0, 2 * 5)])
def test_inflow(observer, dead_letters, size):
    """New events and unreadable records count as inflow; repeats don't."""
    bulk = a_bulk(
        11, entries=2, repeats=7, reasons=["a", "b"], dead_letters=dead_letters
    )

    observer.received(bulk)

    assert observer.inflow.seconds_to_fill(size) == pytest.approx(60, rel=0.001)


def test_events_of_a_backend_of_the_past(observer, caplog):
    """Events of a backend that isn't configured are a warning with a remedy."""
    observer.left_behind("old", Held(3, 900), Held(1, 300))

    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert (record.backend, record.events, record.dead_letters) == ("old", 3, 1)
    assert "drop-backend old" in record.remedy
