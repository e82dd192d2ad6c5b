"""Each attempt to deliver is counted and logged for its backend."""

import logging

import pytest

from devkit.clock import Clock
from exporter.delivery import Answer, Attempt, Cause, outcome_of
from exporter.delivery.outcome import Failure
from exporter.spool import Batch, Entry, Rejection
from exporter.watch.service import ServiceObserver
from tests.unit.spools import NOON, an_event

BATCH = Batch([Entry(number, an_event(number)) for number in (7, 8, 9)])
GOOD, BAD = Answer(200), Answer(503, detail="503 Service Unavailable")
WRONG_KEY = Answer(401, detail="401 Unauthorized")
FAILED, OVER = "batch not delivered", "the backend accepts events again"


@pytest.fixture
def service(caplog):
    """Return the observer of a service with two backends, two seconds after noon."""
    caplog.set_level(logging.DEBUG)
    backends = {"default": str, "teams": "BACKEND_TEAMS_{}".format}
    return ServiceObserver(backends, now=Clock(), wall=Clock(NOON / 1000 + 2))


@pytest.fixture
def observer(service):
    """Return the observer of the backend without a name."""
    return service.backends["default"]


@pytest.fixture
def count(service):
    """Return a function that returns the value of a metric of a backend."""

    def value(name, *, backend="default", **labels):
        name = f"app_integrations_exporter_{name}"
        labels["backend"] = backend
        return service.registry.get_sample_value(name, labels)

    return value


def an_attempt(answer, *, number=1, parked=0, batch=BATCH):
    """Return an attempt that got *answer*."""
    outcome = outcome_of(answer)
    return Attempt(batch, number, answer, outcome, seconds=0.25, parked=parked)


def lines(caplog):
    """Return level and message of each log line, oldest first."""
    return [(record.levelname, record.message) for record in caplog.records]


def test_a_delivered_batch(observer, count, caplog):
    """A delivered batch is counted as one attempt and by its events, and not logged."""
    observer.attempted(an_attempt(GOOD))

    assert count("delivery_attempts_total", outcome="delivered") == 1
    assert count("delivery_events_total") == 3
    assert count("delivery_attempt_duration_seconds_sum") == 0.25
    assert caplog.records == []


def test_a_failure(observer, count, caplog):
    """A failure has one line with reason, batch and remedy, and its end another."""
    for _ in range(20):
        observer.attempted(an_attempt(WRONG_KEY, number=2))
    for _ in range(2):
        observer.attempted(an_attempt(GOOD))

    assert count("delivery_attempts_total", outcome="blocked") == 20
    assert count("delivery_events_total") == 6
    assert lines(caplog) == [("ERROR", FAILED), ("INFO", OVER)]
    record = caplog.records[0]
    assert (record.outcome, record.reason) == ("blocked", "401 Unauthorized")
    assert record.remedy.startswith("Correct api_key")
    assert (record.batch, record.events, record.attempt) == ("1-7..1-9", 3, 2)
    assert record.seconds == 0.25


def test_a_failure_of_one_batch_alone(observer, caplog):
    """While one batch is parked and others succeed, the failure isn't over."""
    for _ in range(20):
        observer.attempted(an_attempt(BAD))
        observer.attempted(an_attempt(GOOD, parked=1))
    trouble = observer.trouble
    observer.attempted(an_attempt(GOOD))

    assert lines(caplog) == [("WARNING", FAILED), ("INFO", OVER)]
    assert (trouble.outcome, trouble.reason) == ("postponed", BAD.detail)
    assert (trouble.remedy, trouble.at) == (caplog.records[0].remedy, NOON / 1000 + 2)
    assert observer.trouble is None


def test_a_failure_that_changes(observer, caplog):
    """Each change of the failure is logged, with the level of its outcome."""
    for answer in (
        Answer(failure=Failure.TIMEOUT, detail="no answer within 5 s"),
        BAD,
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


def test_latency(observer, count):
    """A delivered event has a latency since its record, which is never below 0."""
    batch = Batch([Entry(number, an_event(number)) for number in (0, 500, 60_000)])
    observer.attempted(an_attempt(BAD, batch=batch))
    observer.attempted(an_attempt(GOOD, batch=batch))

    assert count("delivery_latency_seconds_sum") == 3.5
    buckets = {le: count("delivery_latency_seconds_bucket", le=le) for le in BUCKETS}
    assert buckets == BUCKETS
    assert list(observer.latencies) == [2, 1.5, 0]


BUCKETS = {"0.005": 1, "1.0": 1, "2.5": 3, "+Inf": 3}


def test_dead_letters(observer, count, caplog):
    """Every dead letter is counted; a reason is logged once, without the answer."""
    rejection = Rejection("refused: 400", 400, "the event: secret", attempts=13)
    for _ in range(3):
        observer.dead_lettered(BATCH, rejection)

    assert count("delivery_dead_letters_total") == 9
    (record,) = caplog.records
    assert (record.levelname, record.message) == ("ERROR", "events became dead letters")
    assert (record.reason, record.events, record.attempts) == (rejection.reason, 3, 13)
    assert record.batch == "1-7..1-9"
    assert "secret" not in str(vars(record))


def test_lost_events(observer, count, caplog):
    """Every lost event is counted, and logged once in a while."""
    for _ in range(3):
        observer.lost(BATCH)

    assert count("spool_lost_events_total") == 9
    (record,) = caplog.records
    assert (record.levelname, record.events) == ("ERROR", 3)
    assert record.batch == "1-7..1-9"
    assert "full" in record.message


@pytest.mark.parametrize(
    "cause, level",
    [
        (Cause.FAILING, "WARNING"),
        (Cause.BLOCKED, "ERROR"),
        (Cause.REFUSING, "ERROR"),
    ],
)
def test_the_breaker(observer, caplog, cause, level):
    """An opened breaker is logged with cause and remedy; a closed one is logged."""
    observer.attempted(an_attempt(BAD))
    observer.switched(cause)
    observer.switched(None)

    failed, opened, closed = caplog.records
    assert (opened.levelname, opened.cause) == (level, cause)
    assert "opened" in opened.message
    assert (opened.reason, opened.remedy) == (BAD.detail, failed.remedy)
    assert closed.levelname == "INFO"
    assert "closed" in closed.message


def test_each_backend_alone(service, count, caplog):
    """Each backend has its own counts, lines, trouble and variables in remedies."""
    for observer in service.backends.values():
        observer.attempted(an_attempt(WRONG_KEY))
        observer.switched(Cause.BLOCKED)
        observer.switched(None)
        observer.dead_lettered(BATCH, Rejection("refused: 400 Bad Request"))
        observer.lost(BATCH)
    default, teams = service.backends.values()
    default.attempted(an_attempt(GOOD))

    named = [getattr(record, "backend", None) for record in caplog.records]
    assert named == 5 * [None] + 5 * ["teams"] + [None]
    for backend, delivered in (("default", 3), ("teams", 0)):
        assert count("delivery_events_total", backend=backend) == delivered
        failed = {"backend": backend, "outcome": "blocked"}
        assert count("delivery_attempts_total", **failed) == 1
    assert default.trouble is None
    assert teams.trouble.remedy.startswith("Correct BACKEND_TEAMS_api_key")
