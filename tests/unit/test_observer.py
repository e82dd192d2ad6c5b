"""What happens is counted and logged by one verb, and repetition is no news."""

import logging

import pytest

from exporter.delivery import Answer, Attempt, outcome_of
from exporter.delivery.outcome import Failure
from exporter.ingest import Received
from exporter.operations.metrics import Metrics
from exporter.operations.observer import Observer
from exporter.spool import Accepted, Batch, Entry, Unreadable, Verdict
from tests.unit.spools import an_event

BATCH = Batch([Entry(number, an_event(number)) for number in (7, 8, 9)])


@pytest.fixture
def metrics():
    """Return the metrics that the observer counts in."""
    return Metrics()


class StillClock:
    """A clock that a test moves."""

    seconds = 1000.0

    def __call__(self):
        """Return the time."""
        return self.seconds


@pytest.fixture
def clock():
    """Return a clock that stands still."""
    return StillClock()


@pytest.fixture
def observer(metrics, clock, caplog):
    """Return an observer whose lines are kept."""
    caplog.set_level(logging.DEBUG)
    return Observer(metrics, now=clock)


def count(metrics, name, **labels):
    """Return how often something was counted."""
    return metrics.registry.get_sample_value(
        f"app_integrations_exporter_{name}", labels
    )


def lines(caplog):
    """Return level and message of what was logged, oldest first."""
    return [(record.levelname, record.message) for record in caplog.records]


def a_bulk(records=0, *, entries=0, reasons=(), **became):
    """Return what ingest tells of an accepted request; *became* is the spool's word."""
    accepted = Accepted(
        [Entry(number, an_event(number)) for number in range(entries)],
        **({"kept_aside": 0, "repeats": 0, "epochs": ()} | became),
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


def an_attempt(answer, *, number=1, aside=0):
    """Return an attempt that was answered so."""
    outcome = outcome_of(answer)
    return Attempt(BATCH, number, answer, outcome, seconds=0.25, aside=aside)


def test_an_accepted_bulk(observer, metrics, caplog):
    """The normal case is counted, record by record, and not worth a line."""
    observer.received(a_bulk(records=10, entries=3, repeats=2))

    results = {
        result: count(metrics, "ingest_records_total", result=result)
        for result in ("accepted", "repeat", "kept_aside", "not_selected")
    }
    assert results == {
        "accepted": 3,
        "repeat": 2,
        "kept_aside": 0,
        "not_selected": 5,
    }
    assert count(metrics, "ingest_bulk_duration_seconds_count") == 1
    assert count(metrics, "ingest_bulk_duration_seconds_sum") == 0.004
    assert lines(caplog) == []


def test_records_kept_aside(observer, metrics, caplog):
    """What can't be mapped is counted, and logged with each reason."""
    observer.received(
        a_bulk(records=4, kept_aside=3, reasons=["no JSON", "no key", "no JSON"])
    )

    assert count(metrics, "ingest_records_total", result="kept_aside") == 3
    assert count(metrics, "ingest_records_total", result="not_selected") == 1
    assert count(metrics, "ingest_records_total", result="repeat") == 0
    message = "records kept aside as dead letters: they can't be mapped"
    assert lines(caplog) == [("ERROR", message), ("ERROR", message)]
    told = [(line.reason, line.records, line.first) for line in caplog.records]
    assert told == [("no JSON", 2, "1-0"), ("no key", 1, "1-1")]


def test_records_kept_aside_in_a_row(observer, clock, caplog):
    """The same reason again and again is one line every half a minute."""
    for _ in range(61):
        observer.received(a_bulk(records=1, kept_aside=1, reasons=["no key"]))
        clock.seconds += 1

    assert len(caplog.records) == 3


def test_records_kept_aside_before(observer, metrics, caplog):
    """A repeat of what was kept aside is a repeat like any other, and no news."""
    observer.received(a_bulk(records=2, kept_aside=0, reasons=["no JSON", "no key"]))

    assert count(metrics, "ingest_records_total", result="kept_aside") == 0
    assert count(metrics, "ingest_records_total", result="repeat") == 2
    assert lines(caplog) == []


def test_positions_that_start_again(observer, metrics, caplog):
    """A new epoch is rare enough for a line of its own."""
    observer.received(a_bulk(records=1, entries=1, epochs=[an_event(5)]))

    assert count(metrics, "ingest_epochs_total") == 1
    assert lines(caplog) == [
        ("WARNING", "positions started again: was the engine purged or restored?")
    ]
    assert (caplog.records[0].partition, caplog.records[0].position) == (1, 5)


def test_repeats_by_age_alone(observer, metrics, caplog):
    """What is dropped only because it's older than the memory is worth a warning."""
    for _ in range(3):
        observer.received(a_bulk(records=2, repeats=2, assumed=[an_event(5)]))

    assert count(metrics, "ingest_records_total", result="repeat") == 6
    assert lines(caplog) == [
        ("WARNING", "records older than the memory were taken for repeats")
    ]
    assert (caplog.records[0].partition, caplog.records[0].position) == (1, 5)


def test_a_spool_that_fills_up(observer, caplog):
    """Each step on the way to full is a warning, and again after it was emptied."""
    for filled in (0.1, 0.5, 0.6, 0.85, 0.96, 0.97, 0.2, 0.55):
        observer.received(a_bulk(records=1, filled=filled))

    told = [record.percent for record in caplog.records]
    assert told == [50, 85, 96, 55]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


@pytest.mark.parametrize("status", [401, 429, 503])
def test_refusals_in_a_row(observer, metrics, caplog, status):
    """The broker repeats what is refused; that is one line, and one when it's over."""
    for _ in range(30):
        observer.refused(status, "This happened. Do that")
    observer.received(a_bulk())
    observer.received(a_bulk())

    assert count(metrics, "ingest_refusals_total", status=str(status)) == 30
    assert lines(caplog) == [
        ("WARNING", "request refused"),
        ("INFO", "bulk requests are accepted again"),
    ]
    assert caplog.records[0].status == status
    assert caplog.records[0].reason == "This happened. Do that"


def test_refusals_that_change(observer, metrics, clock, caplog):
    """A refusal for another reason is news, and so is one after a success."""
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
    assert count(metrics, "ingest_refusals_total", status="429") == 1
    assert count(metrics, "ingest_refusals_total", status="503") == 3


def test_refusals_that_hinder_nobody(observer, caplog):
    """After a stray request for an unknown path nothing has to recover."""
    observer.refused(404, "not served here")
    observer.received(a_bulk())

    assert lines(caplog) == [("WARNING", "request refused")]


def test_refusals_of_other_kinds(observer, metrics):
    """A status without a series of its own counts as a bad request."""
    observer.refused(417, "Expectation Failed")

    assert count(metrics, "ingest_refusals_total", status="400") == 1
    assert count(metrics, "ingest_refusals_total", status="417") is None


def test_a_delivered_batch(observer, metrics, caplog):
    """A delivered batch counts as one attempt and by its events, without a line."""
    observer.attempted(an_attempt(Answer(200)))

    assert count(metrics, "delivery_attempts_total", outcome="delivered") == 1
    assert count(metrics, "delivery_events_total") == 3
    assert count(metrics, "delivery_attempt_duration_seconds_sum") == 0.25
    assert lines(caplog) == []


def test_dead_letters(observer, metrics, caplog):
    """Each event given up is counted; a reason that goes on is a line now and then."""
    verdict = Verdict("refused: 400 Bad Request", 400, "the event: secret", attempts=13)
    for _ in range(3):
        observer.buried(BATCH, verdict)

    assert count(metrics, "delivery_dead_letters_total") == 9
    (record,) = caplog.records
    assert (record.levelname, record.message) == (
        "ERROR",
        "events became dead letters",
    )
    assert (record.reason, record.events, record.attempts) == (verdict.reason, 3, 13)
    assert "secret" not in str(vars(record))


def test_trouble_in_a_row(observer, metrics, caplog):
    """The same trouble again and again is one line, and one when it is over."""
    for number in range(1, 21):
        answer = Answer(503, detail="503 Service Unavailable")
        observer.attempted(an_attempt(answer, number=number))
    observer.attempted(an_attempt(Answer(200)))
    observer.attempted(an_attempt(Answer(200)))

    assert count(metrics, "delivery_attempts_total", outcome="postponed") == 20
    assert count(metrics, "delivery_attempts_total", outcome="delivered") == 2
    assert count(metrics, "delivery_events_total") == 6
    assert lines(caplog) == [
        ("WARNING", "batch not delivered"),
        ("INFO", "the backend accepts events again"),
    ]


def test_trouble_of_one_batch_alone(observer, caplog):
    """While one batch fails and others get through, it isn't over, nor news again."""
    for _ in range(20):
        observer.attempted(an_attempt(Answer(400, detail="400 Bad Request")))
        observer.attempted(an_attempt(Answer(200), aside=1))
    observer.attempted(an_attempt(Answer(200)))

    assert lines(caplog) == [
        ("ERROR", "batch not delivered"),
        ("INFO", "the backend accepts events again"),
    ]


def test_trouble_that_comes_and_goes(observer, clock, caplog):
    """It is a pair of lines every half a minute, and the last word is the trouble."""
    for _ in range(59):
        observer.attempted(an_attempt(Answer(503, detail="503 Service Unavailable")))
        observer.attempted(an_attempt(Answer(200)))
        clock.seconds += 1
    observer.attempted(an_attempt(Answer(503, detail="503 Service Unavailable")))

    trouble = ("WARNING", "batch not delivered")
    over = ("INFO", "the backend accepts events again")
    assert lines(caplog) == [trouble, over, trouble, over, trouble]


def test_trouble_explains_itself(observer, caplog):
    """The line has what happened, to which batch, and what to do."""
    answer = Answer(401, detail="401 Unauthorized")

    observer.attempted(an_attempt(answer, number=2))

    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.outcome == "blocked"
    assert record.reason == "401 Unauthorized"
    assert record.remedy.startswith("Correct APP_INTEGRATIONS_API_KEY")
    assert record.batch == "1-7..1-9"
    assert (record.events, record.attempt, record.seconds) == (3, 2, 0.25)


def test_trouble_that_changes(observer, caplog):
    """Each change of the trouble is a line, at the level of its consequence."""
    for answer in (
        Answer(failure=Failure.TIMEOUT, detail="no answer within 5 s"),
        Answer(503, detail="503 Service Unavailable"),
        Answer(400, detail="400 Bad Request"),
        Answer(400, detail="400 Bad Request"),
        Answer(302, detail="302 Found"),
    ):
        observer.attempted(an_attempt(answer))

    assert [(record.levelname, record.outcome) for record in caplog.records] == [
        ("WARNING", "postponed"),
        ("WARNING", "postponed"),
        ("ERROR", "rejected"),
        ("ERROR", "blocked"),
    ]
