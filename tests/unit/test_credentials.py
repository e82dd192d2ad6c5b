"""No header is sent twice."""

from exporter.base.reread import fixed
from exporter.delivery import Credentials, empty


def credentials(**changes):
    """Return credentials with *changes*."""
    usual = {
        "constant": {"X-Cluster-Id": "eu-1", "X-Org-Id": ""},
        "extra": fixed(""),
        "api_key": fixed(""),
        "api_key_header": "X-API-KEY",
        "signing_keys": fixed(""),
        "wall_clock": lambda: 0.0,
    }
    return Credentials(**(usual | changes))


def test_ours_come_last():
    """Extra headers can't repeat one of our own headers."""
    extra = fixed("x-api-key: other, content-type: x, x-cluster-id: y")

    headers = credentials(extra=extra, api_key=fixed("k")).headers(empty())

    assert headers.getall("X-API-KEY") == ["k"]
    assert headers.getall("Content-Type") == ["application/json"]
    assert headers.getall("X-Cluster-Id") == ["eu-1"]
    assert "X-Org-Id" not in headers
