"""What can be measured of a running exporter."""

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

from exporter.delivery import Outcome
from exporter.spool import Spool

PREFIX = "app_integrations_exporter_"
RECORD_RESULTS = ("accepted", "repeat", "kept_aside", "not_selected")
REFUSALS = ("400", "401", "404", "405", "415", "429", "503")
BULK_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5)
ATTEMPT_SECONDS = (0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30)


class Metrics:
    """Our metrics on their own registry, so that tests share no counts."""

    def __init__(self) -> None:
        """Create every series at zero: `rate()` needs a first sample to differ from."""
        # They are a line for each series that tells nobody anything.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.records = self._counter(
            "ingest_records_total",
            "Records of accepted bulk requests, by what became of them.",
            ("result", RECORD_RESULTS),
        )
        self.refusals = self._counter(
            "ingest_refusals_total",
            "Requests to the ingest port that were answered with an error.",
            ("status", REFUSALS),
        )
        self.epochs = self._counter(
            "ingest_epochs_total",
            "Times that the positions of a partition started again.",
        )
        self.salvages = self._counter(
            "spool_salvages_total",
            "Times that the spool was damaged, and what could be read was salvaged.",
        )
        self.bulk_seconds = self._histogram(
            "ingest_bulk_duration_seconds",
            "Time from the head of a bulk request to the end of its commit.",
            BULK_SECONDS,
        )
        self.attempts = self._counter(
            "delivery_attempts_total",
            "Attempts to post a batch, by what became of them.",
            ("outcome", Outcome),
        )
        self.delivered = self._counter(
            "delivery_events_total", "Events that the backend accepted."
        )
        self.buried = self._counter(
            "delivery_dead_letters_total",
            "Events given up: refused alone, or too old.",
        )
        self.lost = self._counter(
            "spool_lost_events_total",
            "Waiting events lost because the spool was full, as SPOOL_WHEN_FULL says.",
        )
        self.attempt_seconds = self._histogram(
            "delivery_attempt_duration_seconds",
            "Time from opening the request to its answer.",
            ATTEMPT_SECONDS,
        )

    def watch(self, spool: Spool) -> None:
        """Show how much *spool* holds, read at every scrape."""
        for name, about, read in (
            (
                "spool_events",
                "Events accepted and not settled.",
                lambda: spool.waiting.rows,
            ),
            (
                "spool_event_bytes",
                "Encoded bytes of events accepted and not settled.",
                lambda: spool.waiting.size,
            ),
            (
                "spool_dead_letters",
                "Dead letters kept.",
                lambda: spool.dead.rows,
            ),
            (
                "spool_dead_letter_bytes",
                "Bytes of dead letters kept.",
                lambda: spool.dead.size,
            ),
            (
                "spool_limit_bytes",
                "Bytes of events and dead letters that may be held.",
                lambda: spool.limit,
            ),
        ):
            gauge = Gauge(PREFIX + name, about, registry=self.registry)
            gauge.set_function(read)

    def _counter(
        self, name: str, about: str, label: tuple[str, Iterable[str]] | None = None
    ) -> Counter:
        name_of_label, values = label or ("", ())
        labels = [name_of_label] if label else []
        counter = Counter(PREFIX + name, about, labels, registry=self.registry)
        for value in values:
            counter.labels(value)
        return counter

    def _histogram(
        self, name: str, about: str, buckets: tuple[float, ...]
    ) -> Histogram:
        return Histogram(PREFIX + name, about, buckets=buckets, registry=self.registry)
