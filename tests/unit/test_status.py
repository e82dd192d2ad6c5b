"""The status says whether events are delivered, and what to do if not."""

import json

import pytest

from exporter import __version__
from exporter.delivery import Answer, Cause, Delivery, Outcome, Plan, breaker
from exporter.delivery.pieces import Piece
from exporter.events.event import ONLY_BACKEND
from exporter.spool import Batch, SpoolFullError
from exporter.watch.backend import Trouble
from exporter.watch.service import ServiceObserver
from exporter.watch.snapshot import Snapshots
from exporter.watch.status import status_of, status_without_service
from tests.unit.spools import ANY, NOON, a_spool, an_event, only

BLOCKED = {"cause": Cause.BLOCKED, "at_once": True}
TROUBLE = Trouble(Outcome.BLOCKED, "401 Unauthorized", "Correct it", at=NOON - 12)


class Story:
    """A spool, deliveries that don't run, and their observer."""

    def __init__(self, spool):
        """Begin without events and attempts."""
        self.spool = spool
        self.observer = ServiceObserver(dict.fromkeys(spool.outboxes, str))
        self.deliveries = {
            name: Delivery(
                outbox,
                None,
                self.observer.backends[name],
                Plan(slots=2, limits=ANY),
            )
            for name, outbox in spool.outboxes.items()
        }
        self.snapshots = Snapshots(spool, self.deliveries, self.observer.inflow)

    async def status(self, hindrance=None):
        """Return the status at noon, in JSON and back."""
        snapshot = await self.snapshots.take()
        status = status_of(snapshot, self.observer, hindrance=hindrance, now=NOON)
        return json.loads(json.dumps(status, allow_nan=False))

    def fail(self, times=1, *, backend=ONLY_BACKEND, **how):
        """Let *backend* fail *times* in a row."""
        self.observer.backends[backend].trouble = TROUBLE
        breaker = self.deliveries[backend].breaker
        for _ in range(times):
            breaker.end_pause()
            breaker.failed(breaker.begin(), **how)


def only_backend(status):
    """Return the only backend in *status*."""
    (backend,) = status["backends"].values()
    return backend


@pytest.fixture
async def story(tmp_path, monkeypatch):
    """Return a service in which nothing has happened, with long waits."""
    monkeypatch.setattr(breaker, "FIRST_SECONDS", 1000.0)
    monkeypatch.setattr(breaker, "LONGEST_SECONDS", 1000.0)
    monkeypatch.setattr("random.uniform", lambda _, longest: longest)
    async with a_spool(tmp_path) as spool:
        yield Story(spool)


async def test_idle(story):
    """Without waiting events the status is fine, and unknown numbers are null."""
    status = await story.status()

    assert status["ok"] is True
    assert status["version"] == __version__
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
        "hours_left": None,
    }
    assert status["ingest"]["hindrance"] is None
    assert set(status["ingest"]["answers"].values()) == {0}
    assert status["ingest"]["epochs"] == 0


async def test_old_trouble_of_an_idle_service(story):
    """An old failure isn't shown when no event waits."""
    story.observer.backends[ONLY_BACKEND].trouble = TROUBLE

    assert only_backend(await story.status())["delivery"]["trouble"] is None


async def test_delivering(story):
    """While events wait and the backend accepts them, the state is delivering."""
    await story.spool.append([an_event(1), an_event(2)])
    story.observer.inflow.add(1000)

    status = await story.status()

    backend = only_backend(status)
    assert (status["ok"], backend["delivery"]["state"]) == (True, "delivering")
    assert status["spool"]["events"] == backend["waiting"]["events"] == 2
    room = (1 << 20) - status["spool"]["event_bytes"]
    assert status["spool"]["hours_left"] == pytest.approx(room / 60_000, rel=0.01)


@pytest.mark.parametrize(
    "times, how, expected",
    [
        (12, {}, (False, "open", "failing")),
        (1, BLOCKED, (False, "blocked", "blocked")),
    ],
)
async def test_trouble(story, times, how, expected):
    """After a dozen failures the state is open, and after a blocked answer blocked."""
    await story.spool.append([an_event()])
    story.fail(times, **how)

    status = await story.status()

    delivery = only_backend(status)["delivery"]
    assert (status["ok"], delivery["state"], delivery["cause"]) == expected
    assert delivery["next_attempt_seconds"] > 20
    assert delivery["trouble"] == {
        "outcome": "blocked",
        "reason": "401 Unauthorized",
        "remedy": "Correct it",
        "ago_seconds": 12,
    }


async def test_everything_is_refused(story):
    """A backend that refuses everything is blocked, too."""
    await story.spool.append([an_event()])
    story.deliveries[ONLY_BACKEND].breaker.block()

    status = await story.status()

    delivery = only_backend(status)["delivery"]
    assert (status["ok"], delivery["state"]) == (False, "blocked")
    assert delivery["cause"] == "refusing"


async def test_everything_is_parked(story):
    """The next attempt is when the first parked piece is due."""
    await story.spool.append([an_event()])
    batch = await only(story.spool).take(ANY)
    piece = Piece(Batch(batch.entries), answer=Answer(400))
    parked = story.deliveries[ONLY_BACKEND].parked
    parked.suspect(piece)
    parked.add(piece, due=breaker.time.monotonic() + 100)
    story.observer.backends[ONLY_BACKEND].trouble = TROUBLE

    delivery = only_backend(await story.status())["delivery"]

    assert delivery["state"] == "retrying"
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


async def test_without_a_service(story):
    """Without a service, the status comes from the spool alone."""
    await story.spool.append([an_event(timestamp=(NOON - 90) * 1000)])

    oldest = {ONLY_BACKEND: await story.spool.oldest(ONLY_BACKEND)}
    status = status_without_service(story.spool, oldest, NOON)

    assert (status["ok"], status["spool"]["events"]) == (False, 1)
    assert only_backend(status) == {
        "delivery": {"state": "stopped"},
        "waiting": {"events": 1, "event_bytes": 14, "oldest_age_seconds": 90},
    }


async def test_the_oldest(story):
    """The oldest event is the first one that isn't settled, or None."""
    before = await story.spool.oldest(ONLY_BACKEND)
    await story.spool.append([an_event(n, timestamp=n, instance=n) for n in (5, 6)])
    await only(story.spool).settle(
        Batch((await only(story.spool).take(ANY)).entries[:1])
    )

    assert (before, await story.spool.oldest(ONLY_BACKEND)) == (None, 6)


async def test_two_backends(tmp_path):
    """Each backend has its own state; the status is fine if both are."""
    async with a_spool(tmp_path, "teams", "audit") as spool:
        story = Story(spool)
        await spool.append([an_event(1, backends=("teams", "audit"))])
        await spool.append([an_event(2, backends=("audit",))])
        before = await story.status()
        story.fail(backend="audit", **BLOCKED)
        after = await story.status()

    assert (before["ok"], after["ok"]) == (True, False)
    assert list(before["backends"]) == ["teams", "audit"]
    states = {
        name: each["delivery"]["state"] for name, each in after["backends"].items()
    }
    assert states == {"teams": "delivering", "audit": "blocked"}
    waiting = [each["waiting"]["events"] for each in after["backends"].values()]
    assert (waiting, after["spool"]["events"]) == ([1, 2], 3)
    assert after["backends"]["teams"]["delivery"]["trouble"] is None


async def test_left_behind(tmp_path):
    """Events of an unconfigured backend are shown with and without a service."""
    async with a_spool(tmp_path, "old", "gone") as spool:
        await spool.append([an_event(1, backends=("old",))])
        await spool.append([an_event(2, backends=("old", ONLY_BACKEND))])
    async with a_spool(tmp_path) as spool:
        running = await Story(spool).status()
        oldest = {ONLY_BACKEND: await spool.oldest(ONLY_BACKEND)}
        stopped = status_without_service(spool, oldest, NOON)

    for status in (running, stopped):
        assert status["spool"]["left_behind"] == {"old": 2}
        assert only_backend(status)["waiting"]["events"] == 1
