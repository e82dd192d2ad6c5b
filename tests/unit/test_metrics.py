"""Every metric is there from the start and has a help text."""

import time

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from exporter import __version__
from exporter.watch.service import ServiceObserver

PREFIX = "app_integrations_exporter_"
COUNTERS = {
    "ingest_answers_total": (
        "status",
        "200 400 401 403 404 405 408 413 415 429 503 other",
    ),
    "ingest_records_total": ("result", "accepted repeat dead_letter not_selected"),
    "ingest_epochs_total": None,
    "spool_salvages_total": None,
}
COUNTERS_OF_A_BACKEND = {
    "delivery_attempts_total": ("outcome", "delivered postponed rejected blocked"),
    "delivery_events_total": None,
    "delivery_dead_letters_total": None,
    "spool_lost_events_total": None,
    "delivery_breaker_state": ("state", "closed open half_open"),
    "delivery_breaker_cause": ("cause", "failing blocked refusing"),
}
HISTOGRAMS = {"ingest_bulk_duration_seconds"}
HISTOGRAMS_OF_A_BACKEND = {
    "delivery_attempt_duration_seconds",
    "delivery_latency_seconds",
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
GAUGES_OF_A_BACKEND = {
    "delivery_parked_batches",
    "delivery_next_attempt_seconds",
    "delivery_suspect_events",
    "spool_event_bytes",
    "spool_events",
    "spool_oldest_event_age_seconds",
}


def scraped(observer):
    """Return the families of a scrape, without our prefix in their names."""
    text = generate_latest(observer.registry).decode().replace(PREFIX, "")
    return [*text_string_to_metric_families(text)]


def expected_at_zero(counters, gauges, histograms, **labels):
    """Return the names of series, each with its labels."""
    sums = {f"{name}{end}" for name in histograms for end in ("_count", "_sum")}
    for name, label in (counters | dict.fromkeys(gauges | sums)).items():
        key, values = label or ("", "")
        for each in values.split() or [""]:
            own = {key: each} if key else {}
            yield name, frozenset((labels | own).items())


@pytest.mark.parametrize("backends", [["default"], ["teams", "audit"]])
def test_every_series_is_there_at_zero(backends):
    """Every series is there at zero, because a rate needs a first sample."""
    observer = ServiceObserver(dict.fromkeys(backends, str))
    expected = [*expected_at_zero(COUNTERS, GAUGES, HISTOGRAMS)]
    for backend in backends:
        expected += expected_at_zero(
            COUNTERS_OF_A_BACKEND,
            GAUGES_OF_A_BACKEND,
            HISTOGRAMS_OF_A_BACKEND,
            backend=backend,
        )

    shown = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in scraped(observer)
        for sample in family.samples
        if not sample.name.endswith(("_bucket", "_info", "start_time_seconds"))
    }

    assert shown == dict.fromkeys(expected, 0.0)


def test_who_is_it():
    """Version and start time are shown in the usual form."""
    samples = [x for family in scraped(ServiceObserver()) for x in family.samples]
    (started,) = (x.value for x in samples if x.name == "start_time_seconds")
    (version,) = (x.labels for x in samples if x.name == "build_info" and x.value == 1)

    assert time.time() - 60 < started <= time.time()
    assert version == {"version": __version__}


def test_families():
    """Names have our prefix, help texts are sentences, and buckets reach far enough."""
    for family in ServiceObserver().registry.collect():
        bounds = [float(x.labels["le"]) for x in family.samples if "le" in x.labels]

        assert family.name.startswith(PREFIX)
        assert family.documentation.endswith(".")
        assert bounds == sorted(bounds)
        if bounds:
            assert bounds[0] <= 0.005
            assert bounds[-2] >= 5
