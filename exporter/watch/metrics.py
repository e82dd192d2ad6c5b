"""Metrics on a registry of their own, so that two services share no counts."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

NAMESPACE = "app_integrations_exporter"

Metric = TypeVar("Metric", Counter, Gauge, Histogram)
Shown = Mapping[str, tuple[str, Callable[[dict[str, Any]], float]]]
"""Gauges by name: the help text, and the value in a status."""


class Metrics:
    """The metrics of one service."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._families: dict[str, Any] = {}

    def series(
        self, kind: Callable[..., Metric], name: str, meaning: str, **labels: str
    ) -> Metric:
        """
        Return the series of the metric *name* that has *labels*.

        It begins at zero at once, because `rate()` needs a first sample.
        """
        if name not in self._families:
            self._families[name] = kind(
                name, meaning, [*labels], namespace=NAMESPACE, registry=self.registry
            )
        family: Metric = self._families[name]
        return family.labels(**labels) if labels else family

    def gauges(self, shown: Shown, **labels: str) -> Callable[[dict[str, Any]], None]:
        """Create the gauges in *shown*, and return a function that sets them."""
        gauges = {
            self.series(Gauge, name, meaning, **labels): value
            for name, (meaning, value) in shown.items()
        }

        def show(status: dict[str, Any]) -> None:
            for gauge, value in gauges.items():
                gauge.set(value(status))

        return show
