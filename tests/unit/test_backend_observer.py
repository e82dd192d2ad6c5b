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
OPENED = "the breaker opened: nothing is sent but probes"
CLOSED = "the breaker closed: events are sent again"


@pytest.fixture
def clock():
    """Return a monotonic clock that only the test moves."""
    return Clock(1000.0)


@pytest.fixture
def service(clock, caplog):
    """Return the observer of a service with two backends, two seconds after noon."""
    caplog.set_level(logging.DEBUG)
    backends = {"default": str, "teams": variable_of_teams}
    return ServiceObserver(backends, now=clock, wall=Clock(NOON / 1000 + 2))


def variable_of_teams(name):
    """Return the variable of the setting *name* of the backend teams."""
    return f"APP_INTEGRATIONS_BACKEND_TEAMS_{name.upper()}"


@pytest.fixture
def observer(service):
    """Return the observer of the backend without a name."""
    return service.backends["default"]


def count(service, name, *, backend="default", **labels):
    """Return the value of a metric."""
    return service.registry.get_sample_value(
        f"app_integrations_exporter_{name}", {"backend": backend} | labels
    )


def lines(caplog):
    """Return level and message of each log line, oldest first."""
    return [(record.levelname, record.message) for record in caplog.records]


def an_attempt(answer, *, number=1, parked=0, batch=BATCH):
    """Return an attempt that got *answer*."""
    outcome = outcome_of(answer)
    return Attempt(batch, number, answer, outcome, seconds=0.25, parked=parked)


def test_a_delivered_batch(observer, service, caplog):
    """A delivered batch is counted as one attempt and by its events, and not logged."""
    observer.attempted(an_attempt(Answer(200)))

    assert count(service, "delivery_attempts_total", outcome="delivered") == 1
    assert count(service, "delivery_events_total") == 3
    assert count(service, "delivery_attempt_duration_seconds_sum") == 0.25
    assert lines(caplog) == []


def test_dead_letters(observer, service, caplog):
    """Every dead letter is counted; a repeated reason is logged once in a while."""
    rejection = Rejection(
        "refused: 400 Bad Request", 400, "the event: secret", attempts=13
    )
    for _ in range(3):
        observer.dead_lettered(BATCH, rejection)

    assert count(service, "delivery_dead_letters_total") == 9
    (record,) = caplog.records
    assert (record.levelname, record.message) == (
        "ERROR",
        "events became dead letters",
    )
    assert (record.reason, record.events, record.attempts) == (rejection.reason, 3, 13)
    assert "secret" not in str(vars(record))


def test_trouble_in_a_row(observer, service, caplog):
    """A repeated failure is one log line, and its end is another."""
    for number in range(1, 21):
        answer = Answer(503, detail="503 Service Unavailable")
        observer.attempted(an_attempt(answer, number=number))
    observer.attempted(an_attempt(Answer(200)))
    observer.attempted(an_attempt(Answer(200)))

    assert count(service, "delivery_attempts_total", outcome="postponed") == 20
    assert count(service, "delivery_attempts_total", outcome="delivered") == 2
    assert count(service, "delivery_events_total") == 6
    assert lines(caplog) == [
        ("WARNING", "batch not delivered"),
        ("INFO", "the backend accepts events again"),
    ]


def test_trouble_of_one_batch_alone(observer, caplog):
    """While one batch is parked and others succeed, the failure isn't over."""
    for _ in range(20):
        observer.attempted(an_attempt(Answer(400, detail="400 Bad Request")))
        observer.attempted(an_attempt(Answer(200), parked=1))
    observer.attempted(an_attempt(Answer(200)))

    assert lines(caplog) == [
        ("ERROR", "batch not delivered"),
        ("INFO", "the backend accepts events again"),
    ]


def test_trouble_that_comes_and_goes(observer, clock, caplog):
    """Quick changes are logged every half a minute, and the trouble comes last."""
    for _ in range(59):
        observer.attempted(an_attempt(Answer(503, detail="503 Service Unavailable")))
        observer.attempted(an_attempt(Answer(200)))
        clock.seconds += 1
    observer.attempted(an_attempt(Answer(503, detail="503 Service Unavailable")))

    trouble = ("WARNING", "batch not delivered")
    over = ("INFO", "the backend accepts events again")
    assert lines(caplog) == [trouble, over, trouble, over, trouble]


def test_trouble_explains_itself(observer, caplog):
    """The line has the reason, the batch and the remedy."""
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
    """Each change of the failure is logged, with the level of its outcome."""
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


def test_latency(observer, service):
    """Only delivered events have a latency: the time since their record."""
    batch = Batch([Entry(number, an_event(number)) for number in (0, 500)])
    observer.attempted(an_attempt(Answer(503), batch=batch))
    observer.attempted(an_attempt(Answer(200), batch=batch))

    assert count(service, "delivery_latency_seconds_count") == 2
    assert count(service, "delivery_latency_seconds_sum") == 3.5
    assert count(service, "delivery_latency_seconds_bucket", le="1.0") == 0
    assert count(service, "delivery_latency_seconds_bucket", le="2.5") == 2


def test_latency_of_an_event_from_the_future(observer, service):
    """If the engine's clock is ahead, the latency is 0."""
    batch = Batch([Entry(number, an_event(number)) for number in (0, 60_000)])
    observer.attempted(an_attempt(Answer(200), batch=batch))

    assert count(service, "delivery_latency_seconds_sum") == 2
    assert count(service, "delivery_latency_seconds_bucket", le="0.005") == 1


def test_trouble_is_kept_until_it_is_over(observer):
    """The last failure is kept until a success with no parked events."""
    observer.attempted(an_attempt(Answer(503, detail="503 Service Unavailable")))
    observer.attempted(an_attempt(Answer(401, detail="401 Unauthorized")))
    last = observer.trouble
    observer.attempted(an_attempt(Answer(200), parked=1))
    while_one_is_parked = observer.trouble
    observer.attempted(an_attempt(Answer(200)))

    assert (last.outcome, last.reason) == ("blocked", "401 Unauthorized")
    assert last.remedy.startswith("Correct api_key")
    assert last.at == NOON / 1000 + 2
    assert while_one_is_parked is last
    assert observer.trouble is None


@pytest.mark.parametrize(
    "cause, status, level",
    [
        (Cause.FAILING, 503, "WARNING"),
        (Cause.BLOCKED, 401, "ERROR"),
        (Cause.REFUSING, 400, "ERROR"),
    ],
)
def test_the_breaker_opens_and_closes(observer, caplog, cause, status, level):
    """Both are logged; opening has the cause and the remedy."""
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
    """Quick changes are logged every half a minute, and the trouble comes last."""
    for _ in range(59):
        observer.switched(Cause.FAILING)
        observer.switched(None)
        clock.seconds += 1
    observer.switched(Cause.FAILING)

    opened, closed = ("WARNING", OPENED), ("INFO", CLOSED)
    assert lines(caplog) == [opened, closed, opened, closed, opened]


def test_waiting_events_that_are_lost(observer, service, caplog):
    """Every lost event is counted, and logged once in a while."""
    for _ in range(3):
        observer.lost(BATCH)

    assert count(service, "spool_lost_events_total") == 9
    assert lines(caplog) == [
        ("ERROR", "the spool is full: the oldest events are lost"),
    ]


def everything(observer):
    """Cause each of the seven log lines."""
    observer.attempted(an_attempt(Answer(401, detail="401 Unauthorized")))
    observer.switched(Cause.BLOCKED)
    observer.switched(None)
    observer.attempted(an_attempt(Answer(200)))
    observer.dead_lettered(BATCH, Rejection("refused: 400 Bad Request"))
    observer.lost(BATCH)
    observer.attempted(an_attempt(Answer(503, detail="503 Service Unavailable")))


def test_lines_name_the_backend(service, caplog):
    """With several backends every log line names its backend."""
    everything(service.backends["teams"])

    assert [record.backend for record in caplog.records] == 7 * ["teams"]


def test_the_only_backend_has_no_name(observer, caplog):
    """With one backend without a name, no log line has a name."""
    everything(observer)

    assert len(caplog.records) == 7
    assert not any(hasattr(record, "backend") for record in caplog.records)


def test_remedies_name_its_variables(service, caplog):
    """A remedy has the variables of this backend."""
    observer = service.backends["teams"]

    observer.attempted(an_attempt(Answer(401, detail="401 Unauthorized")))
    observer.switched(Cause.BLOCKED)

    own = "Correct APP_INTEGRATIONS_BACKEND_TEAMS_API_KEY"
    assert all(record.remedy.startswith(own) for record in caplog.records)
    assert observer.trouble.remedy == caplog.records[0].remedy


def test_each_is_counted_alone(service, caplog):
    """Each backend is counted and logged separately."""
    both = list(service.backends.values())
    for observer in both:
        observer.attempted(an_attempt(Answer(503, detail="503 Service Unavailable")))
    both[1].attempted(an_attempt(Answer(200)))

    for backend, delivered in (("default", 0), ("teams", 3)):
        assert count(service, "delivery_events_total", backend=backend) == delivered
        failed = {"backend": backend, "outcome": "postponed"}
        assert count(service, "delivery_attempts_total", **failed) == 1
        latency = count(service, "delivery_latency_seconds_count", backend=backend)
        assert latency == delivered
    assert len([line for line in lines(caplog) if line[0] == "WARNING"]) == 2
    assert both[0].trouble
    assert both[1].trouble is None
