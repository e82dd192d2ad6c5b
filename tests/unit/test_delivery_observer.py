"""Delivery is counted and logged by one verb, for the backend that it goes to."""

import logging

import pytest

from devkit.clock import Clock
from exporter.delivery import Answer, Attempt, Cause, outcome_of
from exporter.delivery.outcome import Failure
from exporter.spool import Batch, Entry, Rejection
from exporter.watch.delivery_observer import DeliveryObserver
from exporter.watch.metrics import Metrics
from tests.unit.spools import NOON, an_event

BATCH = Batch([Entry(number, an_event(number)) for number in (7, 8, 9)])
OPENED = "the breaker opened: nothing is sent but probes"
CLOSED = "the breaker closed: events are sent again"


@pytest.fixture
def clock():
    """Return a monotonic clock that stands still."""
    return Clock(1000.0)


@pytest.fixture
def metrics():
    """Return the metrics of two backends, one of which has no name."""
    return Metrics(["default", "teams"])


@pytest.fixture
def watching(metrics, clock, caplog):
    """Return what makes an observer two seconds after noon, whose lines are kept."""
    caplog.set_level(logging.DEBUG)

    def make(name="default", *words):
        wall = Clock(NOON / 1000 + 2)
        of = metrics.of[name]
        return DeliveryObserver(of, name, *words, now=clock, wall=wall)

    return make


def variable_of_teams(name):
    """Return *text* with the names that the settings of the backend teams have."""
    return f"APP_INTEGRATIONS_BACKEND_TEAMS_{name.upper()}"


@pytest.fixture
def observer(watching):
    """Return the observer of the backend without a name."""
    return watching()


def count(metrics, name, *, backend="default", **labels):
    """Return how often something was counted."""
    return metrics.registry.get_sample_value(
        f"app_integrations_exporter_{name}", {"backend": backend} | labels
    )


def lines(caplog):
    """Return level and message of what was logged, oldest first."""
    return [(record.levelname, record.message) for record in caplog.records]


def an_attempt(answer, *, number=1, aside=0, batch=BATCH):
    """Return an attempt that was answered so."""
    outcome = outcome_of(answer)
    return Attempt(batch, number, answer, outcome, seconds=0.25, aside=aside)


def test_a_delivered_batch(observer, metrics, caplog):
    """A delivered batch counts as one attempt and by its events, without a line."""
    observer.attempted(an_attempt(Answer(200)))

    assert count(metrics, "delivery_attempts_total", outcome="delivered") == 1
    assert count(metrics, "delivery_events_total") == 3
    assert count(metrics, "delivery_attempt_duration_seconds_sum") == 0.25
    assert lines(caplog) == []


def test_dead_letters(observer, metrics, caplog):
    """Each event given up is counted; a reason that goes on is a line now and then."""
    verdict = Rejection("refused: 400 Bad Request", 400, "the event: secret", 13)
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
    assert record.remedy.startswith("Correct api_key")
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


def test_latency(observer, metrics):
    """A delivered event took the time since its record; one that waits took none."""
    batch = Batch([Entry(number, an_event(number)) for number in (0, 500)])
    observer.attempted(an_attempt(Answer(503), batch=batch))
    observer.attempted(an_attempt(Answer(200), batch=batch))

    assert count(metrics, "delivery_latency_seconds_count") == 2
    assert count(metrics, "delivery_latency_seconds_sum") == 3.5
    assert count(metrics, "delivery_latency_seconds_bucket", le="1.0") == 0
    assert count(metrics, "delivery_latency_seconds_bucket", le="2.5") == 2


def test_latency_of_an_event_from_the_future(observer, metrics):
    """The engine's clock may be ahead of ours: the event took no time."""
    batch = Batch([Entry(number, an_event(number)) for number in (0, 60_000)])
    observer.attempted(an_attempt(Answer(200), batch=batch))

    assert count(metrics, "delivery_latency_seconds_sum") == 2
    assert count(metrics, "delivery_latency_seconds_bucket", le="0.005") == 1


def test_trouble_is_kept_until_it_is_over(observer, metrics):
    """The last failure stays at hand as the log has it, until all is well again."""
    observer.attempted(an_attempt(Answer(503, detail="503 Service Unavailable")))
    observer.attempted(an_attempt(Answer(401, detail="401 Unauthorized")))
    last = metrics.of["default"].trouble
    observer.attempted(an_attempt(Answer(200), aside=1))
    while_one_waits_aside = metrics.of["default"].trouble
    observer.attempted(an_attempt(Answer(200)))

    assert (last.outcome, last.reason) == ("blocked", "401 Unauthorized")
    assert last.remedy.startswith("Correct api_key")
    assert last.at == NOON / 1000 + 2
    assert while_one_waits_aside is last
    assert metrics.of["default"].trouble is None


@pytest.mark.parametrize(
    "cause, status, level",
    [
        (Cause.FAILING, 503, "WARNING"),
        (Cause.BLOCKED, 401, "ERROR"),
        (Cause.REFUSING, 400, "ERROR"),
    ],
)
def test_the_breaker_opens_and_closes(observer, caplog, cause, status, level):
    """Both are a line; the first one has the cause, and what to do about it."""
    observer.attempted(an_attempt(Answer(status, detail="said so")))
    observer.switched(cause)
    observer.attempted(an_attempt(Answer(200)))
    observer.switched(None)

    said = [line for line in lines(caplog) if line[1] in (OPENED, CLOSED)]
    assert said == [(level, OPENED), ("INFO", CLOSED)]
    (opened,) = [line for line in caplog.records if line.message == OPENED]
    assert (opened.cause, opened.reason) == (cause, "said so")
    assert opened.remedy


def test_a_breaker_that_flaps(observer, clock, caplog):
    """It is a pair of lines every half a minute, and the last word is the trouble."""
    for _ in range(59):
        observer.switched(Cause.FAILING)
        observer.switched(None)
        clock.seconds += 1
    observer.switched(Cause.FAILING)

    opened, closed = ("WARNING", OPENED), ("INFO", CLOSED)
    assert lines(caplog) == [opened, closed, opened, closed, opened]


def test_waiting_events_that_are_lost(observer, metrics, caplog):
    """Each is counted; that it goes on is a line now and then."""
    for _ in range(3):
        observer.lost(BATCH)

    assert count(metrics, "spool_lost_events_total") == 9
    assert lines(caplog) == [
        ("ERROR", "the spool is full: the oldest events are lost"),
    ]


def everything(observer):
    """Let everything happen that is worth a line: seven of them."""
    observer.attempted(an_attempt(Answer(401, detail="401 Unauthorized")))
    observer.switched(Cause.BLOCKED)
    observer.switched(None)
    observer.attempted(an_attempt(Answer(200)))
    observer.buried(BATCH, Rejection("refused: 400 Bad Request"))
    observer.lost(BATCH)
    observer.attempted(an_attempt(Answer(503, detail="503 Service Unavailable")))


def test_lines_name_the_backend(watching, caplog):
    """Where there are several, every line says which one it is about."""
    everything(watching("teams", variable_of_teams))

    assert [record.backend for record in caplog.records] == 7 * ["teams"]


def test_the_only_backend_has_no_name(observer, caplog):
    """Where there is one, no line says a name that nobody gave."""
    everything(observer)

    assert len(caplog.records) == 7
    assert not any(hasattr(record, "backend") for record in caplog.records)


def test_remedies_name_its_variables(watching, metrics, caplog):
    """What to do is said with the names that this backend's settings have."""
    observer = watching("teams", variable_of_teams)

    observer.attempted(an_attempt(Answer(401, detail="401 Unauthorized")))
    observer.switched(Cause.BLOCKED)

    own = "Correct APP_INTEGRATIONS_BACKEND_TEAMS_API_KEY"
    assert all(record.remedy.startswith(own) for record in caplog.records)
    assert metrics.of["teams"].trouble.remedy == caplog.records[0].remedy


def test_each_is_counted_alone(watching, metrics, caplog):
    """What happens to one backend is no number of another, and no news about it."""
    both = [watching("default"), watching("teams")]
    for observer in both:
        observer.attempted(an_attempt(Answer(503, detail="503 Service Unavailable")))
    both[1].attempted(an_attempt(Answer(200)))

    for backend, delivered in (("default", 0), ("teams", 3)):
        assert count(metrics, "delivery_events_total", backend=backend) == delivered
        failed = {"backend": backend, "outcome": "postponed"}
        assert count(metrics, "delivery_attempts_total", **failed) == 1
        latency = count(metrics, "delivery_latency_seconds_count", backend=backend)
        assert latency == delivered
    assert len([line for line in lines(caplog) if line[0] == "WARNING"]) == 2
    assert metrics.of["default"].trouble
    assert metrics.of["teams"].trouble is None
