"""Every metric is there from the start and has a help text."""

import math
import time

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from exporter import __version__
from exporter.delivery import Cause, Delivery, Plan
from exporter.watch import snapshot
from exporter.watch.service import ServiceObserver
from exporter.watch.snapshot import Snapshots
from tests.unit.spools import ANY, a_spool, an_event, failing, only

PREFIX = "app_integrations_exporter_"
COUNTERS = {
    "ingest_answers_total": (
        "status",
        "200 400 401 403 404 405 408 413 415 429 503 other",
    ),
    "ingest_records_total": ("result", "accepted repeat dead_letter not_selected"),
    "ingest_refusals_total": ("status", "400 401 403 404 405 408 413 415 429 503"),
    "ingest_epochs_total": None,
    "spool_salvages_total": None,
}
COUNTERS_OF_A_BACKEND = {
    "delivery_attempts_total": ("outcome", "delivered postponed rejected blocked"),
    "delivery_events_total": None,
    "delivery_dead_letters_total": None,
    "spool_lost_events_total": None,
}
HISTOGRAMS = {"ingest_bulk_duration_seconds"}
HISTOGRAMS_OF_A_BACKEND = {
    "delivery_attempt_duration_seconds",
    "delivery_latency_seconds",
}
SETS = {
    "delivery_breaker_state": ("state", "closed open half_open"),
    "delivery_breaker_cause": ("cause", "failing blocked refusing"),
}
GAUGES_OF_A_BACKEND = {
    "delivery_parked_batches",
    "delivery_next_attempt_seconds",
    "delivery_suspect_events",
    "spool_event_bytes",
    "spool_events",
    "spool_oldest_event_age_seconds",
}
GAUGES = {
    "spool_full",
    "spool_left_behind_events",
    "spool_time_left_seconds",
    "spool_dead_letters",
    "spool_dead_letter_bytes",
    "spool_limit_bytes",
    "ingest_withheld",
}


@pytest.fixture
def metrics():
    """Return metrics at zero."""
    return ServiceObserver()


def families(metrics):
    """Return the families of a scrape, by name without our prefix."""
    text = generate_latest(metrics.registry).decode()
    return {
        family.name.removeprefix(PREFIX): family
        for family in text_string_to_metric_families(text)
    }


def value(metrics, name, **labels):
    """Return the value of the sample *name*."""
    return metrics.registry.get_sample_value(PREFIX + name, labels)


def of_backend(metrics, name, *, backend="default", **labels):
    """Return the value of the sample *name* of *backend*."""
    return value(metrics, name, backend=backend, **labels)


@pytest.fixture
async def spool(tmp_path):
    """Return an empty spool."""
    async with a_spool(tmp_path) as spool:
        yield spool


class Watched:
    """A spool, deliveries that don't run, and metrics that show both."""

    def __init__(self, metrics, spool):
        """Watch *spool* with *metrics*."""
        self.metrics = metrics
        plan = Plan(slots=2, limits=ANY)
        self.deliveries = {
            name: Delivery(outbox, None, metrics.backends[name], plan)
            for name, outbox in spool.outboxes.items()
        }
        self._snapshots = Snapshots(spool, self.deliveries, metrics.inflow)

    async def scrape(self):
        """Take a snapshot and show it, as every scrape does."""
        self.metrics.show(await self._snapshots.take())


def expected_at_zero(counters, gauges, histograms, **labels):
    """Return the names of series, without our prefix, each with its labels."""
    sums = {f"{name}{end}" for name in histograms for end in ("_count", "_sum")}
    for name, label in (counters | dict.fromkeys(gauges | sums)).items():
        key, values = label or ("", "")
        for each in values.split() or [""]:
            own = {key: each} if key else {}
            yield PREFIX + name, frozenset((labels | own).items())


@pytest.mark.parametrize("backends", [["default"], ["teams", "audit"]])
def test_every_series_is_there_at_zero(backends):
    """Every series is there at zero, because a rate needs a first sample."""
    metrics = ServiceObserver(dict.fromkeys(backends, str))
    expected = [*expected_at_zero(COUNTERS, GAUGES, HISTOGRAMS)]
    for backend in backends:
        expected += expected_at_zero(
            COUNTERS_OF_A_BACKEND | SETS,
            GAUGES_OF_A_BACKEND,
            HISTOGRAMS_OF_A_BACKEND,
            backend=backend,
        )

    shown = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families(metrics).values()
        for sample in family.samples
        if not sample.name.endswith(
            ("_bucket", "_created", "_info", "start_time_seconds")
        )
    }

    assert shown == dict.fromkeys(expected, 0.0)


def test_histograms_reach_far_enough(metrics):
    """Buckets reach from well below the normal case to beyond a timeout."""
    for name in HISTOGRAMS | HISTOGRAMS_OF_A_BACKEND:
        samples = families(metrics)[name].samples
        bounds = [
            float(sample.labels["le"])
            for sample in samples
            if sample.name.endswith("_bucket")
        ]

        assert bounds == sorted(bounds)
        assert bounds[0] <= 0.005
        assert bounds[-2] >= 5


def test_who_is_it(metrics):
    """Version and start time are shown in the usual form."""
    started = value(metrics, "start_time_seconds")

    assert value(metrics, "build_info", version=__version__) == 1
    assert time.time() - 60 < started <= time.time()


async def test_the_spool_is_read_at_every_scrape(metrics, spool):
    """The gauges show the content of the spool and its limit at each scrape."""
    watched = Watched(metrics, spool)
    await watched.scrape()
    shown = {name: value(metrics, name) for name in GAUGES}
    shown |= {name: of_backend(metrics, name) for name in GAUGES_OF_A_BACKEND}
    assert shown == dict.fromkeys(GAUGES | GAUGES_OF_A_BACKEND, 0.0) | {
        "spool_limit_bytes": 2.0**20,
        "spool_time_left_seconds": math.inf,
    }

    await spool.append([an_event(1, body=b"12345"), an_event(2, body=b"123")])
    await watched.scrape()

    assert of_backend(metrics, "spool_events") == 2
    assert of_backend(metrics, "spool_event_bytes") == 8
    assert value(metrics, "spool_dead_letters") == 0


async def test_the_age_of_what_waits_first(metrics, spool):
    """The age is the time since the oldest event, and 0 without one."""
    now = round(time.time() * 1000)
    watched = Watched(metrics, spool)
    events = [an_event(1, timestamp=now - 90_000), an_event(2, timestamp=now)]
    await spool.append(events)
    await watched.scrape()
    of_both = of_backend(metrics, "spool_oldest_event_age_seconds")
    await only(spool).settle(await only(spool).take(ANY))
    await watched.scrape()
    after = of_backend(metrics, "spool_oldest_event_age_seconds")

    assert 90 <= of_both < 150
    assert after == 0


async def test_the_age_of_what_comes_from_the_future(metrics, spool):
    """If the engine's clock is ahead, the age is 0."""
    watched = Watched(metrics, spool)
    await spool.append([an_event(timestamp=round(time.time() * 1000) + 60_000)])
    await watched.scrape()

    assert of_backend(metrics, "spool_oldest_event_age_seconds") == 0


async def test_a_disk_that_does_not_tell_what_waits(metrics, spool, monkeypatch):
    """While the disk hangs or fails, the last known event is used and grows older."""
    now = round(time.time() * 1000)
    watched = Watched(metrics, spool)
    await spool.append([an_event(timestamp=now - 90_000)])
    await watched.scrape()
    monkeypatch.setattr(snapshot, "READ_SECONDS", 0)
    await watched.scrape()
    monkeypatch.undo()
    async with failing(spool):
        spool._store._written = None
        await watched.scrape()

    assert of_backend(metrics, "spool_oldest_event_age_seconds") >= 90


async def test_the_breaker(metrics, spool):
    """At most one state and one cause is 1, and the wait is the time that is left."""
    watched = Watched(metrics, spool)
    breaker = watched.deliveries["default"].breaker
    await watched.scrape()
    before = shown_of(metrics)
    breaker.failed(breaker.begin(), cause=Cause.BLOCKED, at_once=True)
    breaker.hold_off(100)
    await watched.scrape()

    assert before == {"closed"}
    assert shown_of(metrics) == {"open", "blocked"}
    assert 90 < of_backend(metrics, "delivery_next_attempt_seconds") <= 100


def shown_of(metrics):
    """Return the states and causes of the breaker that are 1."""
    return {
        name
        for metric, (label, names) in SETS.items()
        for name in names.split()
        if of_backend(metrics, metric, **{label: name})
    }


def test_names_and_help(metrics):
    """All names begin with our prefix, and all help texts are sentences."""
    for family in metrics.registry.collect():
        assert family.name.startswith(PREFIX)
        assert family.documentation.endswith(".")


def test_metrics_share_no_counts(metrics):
    """Two services in one process count separately."""
    metrics.backends["default"].delivered.inc()

    assert of_backend(metrics, "delivery_events_total") == 1
    assert of_backend(ServiceObserver(), "delivery_events_total") == 0


async def test_two_backends(tmp_path):
    """Each backend has its own events, age and breaker."""
    now = round(time.time() * 1000)
    async with a_spool(tmp_path, "teams", "audit") as spool:
        await spool.append(
            [
                an_event(1, timestamp=now - 90_000, backends=("audit",), body=b"123"),
                an_event(2, timestamp=now, backends=("teams", "audit"), body=b"12"),
            ]
        )
        metrics = ServiceObserver({"teams": str, "audit": str})
        watched = Watched(metrics, spool)
        await watched.scrape()
        breaker = watched.deliveries["audit"].breaker
        breaker.failed(breaker.begin(), cause=Cause.BLOCKED, at_once=True)
        breaker.hold_off(100)
        await watched.scrape()
        shown = {
            backend: (
                of_backend(metrics, "spool_events", backend=backend),
                of_backend(metrics, "spool_event_bytes", backend=backend),
                of_backend(metrics, "spool_oldest_event_age_seconds", backend=backend)
                >= 90,
                of_backend(
                    metrics, "delivery_breaker_state", backend=backend, state="open"
                ),
            )
            for backend in ("teams", "audit")
        }

    assert shown == {"teams": (1, 2, False, 0), "audit": (2, 5, True, 1)}


async def test_what_is_left_behind(tmp_path):
    """Events of backends that aren't configured have a metric of their own."""
    async with a_spool(tmp_path, "old") as spool:
        await spool.append([an_event(n, backends=("old",)) for n in (1, 2, 3)])
    async with a_spool(tmp_path) as spool:
        metrics = ServiceObserver()
        await Watched(metrics, spool).scrape()

        assert value(metrics, "spool_left_behind_events") == 3
        assert of_backend(metrics, "spool_events") == 0
        assert of_backend(metrics, "spool_events", backend="old") is None
