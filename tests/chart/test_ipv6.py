"""A sidecar may listen on the loopback address of IPv6 alone."""

import pytest

from exporter.broker.environment import broker_environment
from tests.chart.rendering import ENV, Rendered, enabled


@pytest.mark.parametrize("host", ["::", "::1"])
def test_sidecar_on_ipv6(host):
    """The broker sends to the address of IPv6, because no other one is served."""
    values = enabled("sidecar") | {"env": {"APP_INTEGRATIONS_INGEST_HOST": host}}

    variables = Rendered(values).read(ENV)

    variables.pop("ZEEBE_RESTORE_IGNOREFILESINTARGET")
    assert variables == broker_environment("8.8", "http://[::1]:9280")
