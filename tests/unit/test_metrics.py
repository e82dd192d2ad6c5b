"""Every metric is there from the start and has a help text."""

import pytest

from exporter.watch.service import ServiceObserver


@pytest.mark.parametrize(
    "metric", [*ServiceObserver().metrics.collect()], ids=lambda each: each.name
)
def test_a_metric(metric):
    """A metric begins at zero, has a sentence of help, and buckets that reach far."""
    bounds = [float(x.labels["le"]) for x in metric.samples if "le" in x.labels]

    assert {sample.value for sample in metric.samples} == {0}
    assert metric.name.startswith("app_integrations_exporter_")
    assert metric.documentation.endswith(".")
    assert bounds == sorted(bounds)
    if bounds:
        assert bounds[0] <= 0.005
        assert bounds[-2] >= 5
