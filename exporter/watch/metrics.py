"""Metrics on a registry of their own, so that two services share no counts."""

from collections.abc import Callable
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
