"""What can be scraped is there from the start, and names what it counts."""

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from exporter.operations.metrics import Metrics
from exporter.spool import open_spool
from tests.unit.spools import an_event

PREFIX = "app_integrations_exporter_"
COUNTERS = {
    "ingest_records_total": ("result", "accepted repeat kept_aside not_selected"),
    "ingest_refusals_total": ("status", "400 401 404 405 415 429 503"),
    "ingest_epochs_total": None,
    "delivery_attempts_total": ("outcome", "delivered postponed rejected blocked"),
    "delivery_events_total": None,
    "delivery_dead_letters_total": None,
    "spool_lost_events_total": None,
    "spool_salvages_total": None,
}
HISTOGRAMS = {"ingest_bulk_duration_seconds", "delivery_attempt_duration_seconds"}
GAUGES = {
    "spool_events",
    "spool_event_bytes",
    "spool_dead_letters",
    "spool_dead_letter_bytes",
    "spool_limit_bytes",
}


@pytest.fixture
def metrics():
    """Return metrics that nothing was counted in."""
    return Metrics()


def families(metrics):
    """Return what a scrape shows, by name without our prefix."""
    text = generate_latest(metrics.registry).decode()
    return {
        family.name.removeprefix(PREFIX): family
        for family in text_string_to_metric_families(text)
    }


def value(metrics, name):
    """Return the one sample called *name*."""
    return metrics.registry.get_sample_value(PREFIX + name)


def test_every_series_is_there_at_zero(metrics):
    """Each counter shows all of its labels at zero: a rate needs something to grow."""
    expected = {}
    for name, label in COUNTERS.items():
        key, values = label or ("", "")
        for each in values.split() or [""]:
            expected[PREFIX + name, each and f"{key}={each}"] = 0.0
    for name in HISTOGRAMS:
        expected[PREFIX + name + "_count", ""] = 0.0
        expected[PREFIX + name + "_sum", ""] = 0.0

    shown = {
        (sample.name, "".join(f"{k}={v}" for k, v in sample.labels.items())): (
            sample.value
        )
        for family in families(metrics).values()
        for sample in family.samples
        if not sample.name.endswith(("_bucket", "_created"))
    }

    assert shown == expected


def test_histograms_reach_far_enough(metrics):
    """Durations are told apart from well below the normal case to beyond a timeout."""
    for name in HISTOGRAMS:
        samples = families(metrics)[name].samples
        bounds = [
            float(sample.labels["le"])
            for sample in samples
            if sample.name.endswith("_bucket")
        ]

        assert bounds == sorted(bounds)
        assert bounds[0] <= 0.005
        assert bounds[-2] >= 5


async def test_the_spool_is_read_at_every_scrape(metrics, tmp_path):
    """The gauges show what the spool holds now, and how much it may hold."""
    with open_spool(tmp_path, backend="default", limit=2**20) as spool:
        metrics.watch(spool)
        shown = {name: value(metrics, name) for name in GAUGES}
        assert shown == dict.fromkeys(GAUGES, 0.0) | {"spool_limit_bytes": 2.0**20}

        await spool.append([an_event(1, body=b"12345"), an_event(2, body=b"123")])

        assert value(metrics, "spool_events") == 2
        assert value(metrics, "spool_event_bytes") == 8
        assert value(metrics, "spool_dead_letters") == 0


def test_names_and_help(metrics):
    """All names begin like our own, and all of them say what they mean."""
    for family in metrics.registry.collect():
        assert family.name.startswith(PREFIX)
        assert family.documentation.endswith(".")


def test_metrics_share_no_counts(metrics):
    """Two services in one process count on their own."""
    metrics.delivered.inc()

    assert value(metrics, "delivery_events_total") == 1
    assert value(Metrics(), "delivery_events_total") == 0
