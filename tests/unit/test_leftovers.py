"""`check` finds a broker that keeps its log for an exporter that is gone."""

import pytest

from devkit.backend import HANG, Stub
from exporter.commands import leftovers
from exporter.commands.leftovers import leftover
from tests.unit.actuators import C, D, E, managed


@pytest.fixture
async def other(monkeypatch):
    """Return a server at the default URL that isn't a broker."""
    async with Stub() as other:
        monkeypatch.setattr(leftovers, "DEFAULT_URL", other.url)
        yield other


ON, OFF = True, False
BOTH = {"default": E, "red": E}


@pytest.mark.parametrize(
    "configured, state, expected",
    [
        (ON, C, ("problem", "keeps its log for the exporter", "uninstall --b")),
        (OFF, C, ("problem", "keeps its log for the exporter", "uninstall --broker")),
        (OFF, E, ("problem", "no backend is configured", "set APP_INTEGRATIONS_URL")),
        (ON, D, ("problem", "has appintspool disabled", "enable --broker http")),
        (ON, BOTH | {"red": D}, ("problem", "tenant red disabled", "tenant red")),
        (ON, None, ("warning", "has no exporter", "`app-integrations-exporter broker")),
        (ON, E, ("ok", "The broker exports to appintspool", "")),
        (ON, BOTH, ("ok", "The broker exports to appintspool", "")),
        (OFF, None, ("ok", "keeps nothing", "")),
        (OFF, D, ("ok", "keeps nothing", "")),
    ],
)
async def test_findings(configured, state, expected):
    """What the broker has is compared with what is configured here."""
    async with managed(state) as broker:
        found = await leftover(broker.management_url, configured=configured)

    assert found.level == expected[0]
    assert expected[1] in found.text
    assert expected[2] in found.remedy


async def test_default_url(monkeypatch):
    """Without --broker the usual port is asked, and no command needs the option."""
    async with managed(D) as broker:
        monkeypatch.setattr(leftovers, "DEFAULT_URL", broker.management_url)
        found = await leftover(None, configured=True)

    assert found.level == "problem"
    assert found.remedy.endswith("enable")


@pytest.mark.parametrize("status", [200, 401, 404, 500])
async def test_no_actuator(other, status):
    """Something else at the default URL is a warning, and at --broker a problem."""
    other.answer = status

    for url, expected in (None, "warning"), (other.url, "problem"):
        found = await leftover(url, configured=True)
        assert found.level == expected
        assert f"answers {status}" in found.text
        assert ("context path" in found.remedy) == (status == 404)


@pytest.mark.parametrize("seconds, answer", [(600, None), (0.05, HANG)])
async def test_no_broker_at_all(other, monkeypatch, seconds, answer):
    """Without an answer at the default URL there is no finding, soon."""
    monkeypatch.setattr(leftovers, "LOOK_SECONDS", seconds)
    other.answer = answer
    if not answer:
        await other.down()

    assert await leftover(None, configured=True) is None
    found = await leftover(other.url, configured=True)
    assert found.level == "problem"
    assert f"{other.url} can't be asked: " in found.text
    assert "management port" in found.remedy
