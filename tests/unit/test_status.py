"""The status says whether events are delivered, and gauges show the same."""

import json
import math
import time
from dataclasses import replace

import pytest
from prometheus_client import generate_latest

from devkit import metrics
from devkit.clock import Clock
from exporter import __version__
from exporter.delivery import Answer, Cause, Delivery, Outcome, Plan
from exporter.delivery.pieces import Piece
from exporter.events import ONLY_BACKEND, Selection
from exporter.spool import Batch, SpoolFailedError, SpoolFullError, Unreadable
from exporter.watch.backend import Trouble
from exporter.watch.service import ServiceObserver
from exporter.watch.status import Status, status_without_service
from exporter.watch.withheld import Withheld
from tests.unit.spools import ANY, NOON, a_spool, an_event, only

NOW = NOON / 1000
TROUBLE = Trouble(Outcome.BLOCKED, "401 Unauthorized", "Correct it", at=NOW - 12)


class Story:
    """A spool, deliveries that don't run, and their status at noon after 2 hours."""

    def __init__(self, spool):
        """Begin without events and attempts."""
        self.spool = spool
        self.clock = Clock(NOW - 7200)
        backends = dict.fromkeys(spool.outboxes, str)
        self.observer = ServiceObserver(backends, wall=self.clock)
        self.clock.seconds = NOW
        plan = Plan(slots=2, limits=ANY)
        self.deliveries = {
            name: Delivery(outbox, None, self.observer.backends[name], plan)
            for name, outbox in spool.outboxes.items()
        }
        withheld = Withheld([Selection()], exporter_id="x", may_withhold=bool)
        self._status = Status(spool, self.deliveries, self.observer, withheld)

    async def status(self, hindrance=None):
        """Return the status, in JSON and back."""
        status = await self._status.read(hindrance)
        return json.loads(json.dumps(status, allow_nan=False))

    async def scrape(self):
        """Return the metrics, as `devkit.metrics` reads them."""
        return metrics.read((await self._status.scrape()).decode())

    def fail(self, cause, *, backend=ONLY_BACKEND):
        """Let the breaker of *backend* open because of *cause*, for 100 seconds."""
        self.observer.backends[backend].trouble = TROUBLE
        breaker = self.deliveries[backend].breaker
        breaker.failed(breaker.begin(), cause=cause, at_once=True)
        breaker.hold_off(100)


def only_backend(status):
    """Return the only backend in *status*."""
    (backend,) = status["backends"].values()
    return backend


@pytest.fixture
async def story(tmp_path):
    """Return a service in which nothing has happened."""
    async with a_spool(tmp_path) as spool:
        yield Story(spool)


async def test_idle(story):
    """Without waiting events the status is fine, and unknown numbers are null."""
    story.observer.backends[ONLY_BACKEND].trouble = TROUBLE  # of the past

    status = await story.status()

    assert status["ok"] is True
    assert (status["version"], status["uptime_seconds"]) == (__version__, 7200)
    assert status["started_at"] == NOW - 7200
    backend = only_backend(status)
    assert backend["delivery"] == {
        "state": "idle",
        "trouble": None,
        "next_attempt_seconds": 0,
        "breaker": "closed",
        "cause": None,
        "parked_batches": 0,
        "suspect_events": 0,
        "attempts": {"delivered": 0, "postponed": 0, "rejected": 0, "blocked": 0},
        "events": 0,
        "dead_letters": 0,
    }
    assert backend["waiting"] == {
        "events": 0,
        "event_bytes": 0,
        "oldest_age_seconds": 0,
        "lost_events": 0,
    }
    assert backend["latency"] == {"events": 0, "p50_seconds": None, "p95_seconds": None}
    assert status["spool"] == {
        "events": 0,
        "event_bytes": 0,
        "dead_letters": 0,
        "dead_letter_bytes": 0,
        "limit_bytes": 1 << 20,
        "left_behind": {},
        "full": False,
        "salvages": 0,
        "hours_left": None,
    }
    assert set(status["ingest"].pop("answers").values()) == {0}
    assert set(status["ingest"].pop("records").values()) == {0}
    assert status["ingest"] == {"hindrance": None, "epochs": 0, "withheld": None}


async def test_delivering(story):
    """While events wait and the backend accepts them, the state is delivering."""
    unreadable = Unreadable("no JSON", "1-3", b"x" * 200_000)
    events = [an_event(1, body=b"x" * 300_000), an_event(2)]
    await story.spool.append(events, [unreadable])
    story.observer.inflow.add(1000)
    story.observer.backends[ONLY_BACKEND].trouble = TROUBLE  # over, nothing waits

    status = await story.status()

    backend = only_backend(status)
    assert (status["ok"], backend["delivery"]["state"]) == (True, "delivering")
    assert status["spool"]["events"] == backend["waiting"]["events"] == 2
    room = (1 << 20) - 500_000
    assert status["spool"]["hours_left"] == pytest.approx(room / 60_000, rel=0.001)


async def test_latency(story):
    """The quantiles are of the last events only."""
    latencies = story.observer.backends[ONLY_BACKEND].latency.last
    latencies.extend([3600] * 100 + [0.01] * 900 + [2.5] * 100)

    latency = only_backend(await story.status())["latency"]

    assert latency == {"events": 1000, "p50_seconds": 0.01, "p95_seconds": 2.5}


@pytest.mark.parametrize(
    "cause, state",
    [
        (Cause.FAILING, "open"),
        (Cause.BLOCKED, "blocked"),
        (Cause.REFUSING, "blocked"),
    ],
)
async def test_trouble(story, cause, state):
    """While the breaker is open, the status shows the cause and what to do."""
    story.fail(cause)

    status = await story.status()
    scraped = await story.scrape()

    delivery = only_backend(status)["delivery"]
    assert (status["ok"], delivery["state"]) == (False, state)
    assert (delivery["breaker"], delivery["cause"]) == ("open", cause)
    assert 90 < delivery["next_attempt_seconds"] <= 100
    assert delivery["trouble"] == {
        "outcome": "blocked",
        "reason": "401 Unauthorized",
        "remedy": "Correct it",
        "at": NOW - 12,
        "ago_seconds": 12,
    }
    on = {x for x in scraped if x.startswith("delivery_breaker") and scraped[x]}
    assert on == {"delivery_breaker_state open", f"delivery_breaker_cause {cause}"}


async def test_everything_is_parked(story):
    """The next attempt is when the first parked piece is due."""
    await story.spool.append([an_event()])
    batch = await only(story.spool).take(ANY)
    piece = Piece(Batch(batch.entries), answer=Answer(400))
    parked = story.deliveries[ONLY_BACKEND].parked
    parked.suspect(piece)
    parked.add(piece, due=time.monotonic() + 100)
    story.observer.backends[ONLY_BACKEND].trouble = TROUBLE

    status = await story.status()

    delivery = only_backend(status)["delivery"]
    assert (status["ok"], delivery["state"]) == (True, "retrying")
    assert 90 < delivery["next_attempt_seconds"] <= 100
    assert (delivery["parked_batches"], delivery["suspect_events"]) == (1, 1)


async def test_ingest_is_hindered(story):
    """A service that can't accept events isn't fine."""
    await story.spool.append([an_event(1)])
    with pytest.raises(SpoolFullError):
        await story.spool.append([an_event(2, body=b"x" * (1 << 20))])

    status = await story.status(hindrance="the spool is full: 9 bytes")

    assert (status["ok"], status["spool"]["full"]) == (False, True)
    assert status["ingest"]["hindrance"] == "the spool is full: 9 bytes"


async def test_the_age_of_the_oldest_event(story, monkeypatch):
    """The age is of the first unsettled event, also while the disk fails."""
    ahead = 60_000  # the engine's clock may be ahead of ours
    times = {1: NOON - 90_000, 2: NOON + ahead, 3: NOON - 60_000}
    await story.spool.append([an_event(n, timestamp=times[n]) for n in times])
    one = replace(ANY, events=1)

    async def fails(_):
        raise SpoolFailedError("disk")

    async def age():
        return only_backend(await story.status())["waiting"]["oldest_age_seconds"]

    ages = [await age()]
    for _ in times:
        await only(story.spool).settle(await only(story.spool).take(one))
        with monkeypatch.context() as failing:
            failing.setattr(story.spool, "oldest", fails)
            ages.append(await age())
        ages.append(await age())

    assert ages == [90, *(90, 0), *(0, 60), *(0, 0)]


async def test_gauges(story):
    """Each scrape shows what the status says at that moment."""
    before = metrics.read(generate_latest(story.observer.metrics).decode())
    empty = await story.scrape()
    await story.spool.append([an_event(1, timestamp=NOON - 90_000, body=b"12345")])
    story.observer.inflow.add(5)
    scraped, spool = await story.scrape(), (await story.status())["spool"]

    left = spool["hours_left"] * 3600
    not_zero = {
        f"build_info {__version__}": 1,
        "start_time_seconds": NOW - 7200,
        "spool_limit_bytes": spool["limit_bytes"],
        "spool_time_left_seconds": math.inf,
        "delivery_breaker_state closed": 1,
    }
    assert empty == before | not_zero
    assert scraped["spool_time_left_seconds"] == pytest.approx(left, rel=0.01)
    for gauge, value in {
        "spool_events": 1,
        "spool_event_bytes": 5,
        "spool_oldest_event_age_seconds": 90,
    }.items():
        assert scraped[gauge] == value


async def test_two_backends(tmp_path):
    """Each backend has its own state; the status is fine if both are."""
    async with a_spool(tmp_path, "teams", "audit") as spool:
        story = Story(spool)
        await spool.append([an_event(1, backends=("teams", "audit"))])
        await spool.append([an_event(2, backends=("audit",))])
        before = await story.status()
        story.fail(Cause.BLOCKED, backend="audit")
        after, scraped = await story.status(), await story.scrape()

    assert (before["ok"], after["ok"]) == (True, False)
    teams, audit = after["backends"].values()
    states = [each["delivery"]["state"] for each in (teams, audit)]
    assert states == ["delivering", "blocked"]
    assert [each["waiting"]["events"] for each in (teams, audit)] == [1, 2]
    assert (after["spool"]["events"], teams["delivery"]["trouble"]) == (3, None)
    assert [scraped["spool_events teams"], scraped["spool_events audit"]] == [1, 2]
    assert scraped["delivery_breaker_state teams open"] == 0
    assert scraped["delivery_breaker_state audit open"] == 1


async def test_without_a_service(tmp_path):
    """Waiting events, and events left behind, are shown with and without a service."""
    async with a_spool(tmp_path, "old") as spool:
        await spool.append(
            [an_event(n, backends=("old", ONLY_BACKEND)) for n in (1, 2)]
        )
    async with a_spool(tmp_path) as spool:
        oldest = {ONLY_BACKEND: await spool.oldest(ONLY_BACKEND)}
        stopped = status_without_service(spool, oldest, NOW + 90.001)
        story = Story(spool)
        running, scraped = await story.status(), await story.scrape()

    assert stopped["ok"] is False
    assert only_backend(stopped) == {
        "delivery": {"state": "stopped"},
        "waiting": {"events": 2, "event_bytes": 28, "oldest_age_seconds": 90},
    }
    for status in (running, stopped):
        assert status["spool"]["left_behind"] == {"old": 2}
        assert only_backend(status)["waiting"]["events"] == 2
    assert scraped["spool_left_behind_events"] == 2
