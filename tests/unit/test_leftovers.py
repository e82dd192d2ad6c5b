"""`check` finds a broker that keeps its log for an exporter that is gone."""

import asyncio
import json

import pytest

from devkit.backend import HANG, Stub
from exporter import cli
from exporter.commands import leftovers
from tests.unit.actuators import C, D, E, managed


@pytest.fixture
async def other(monkeypatch):
    """Return a server at the default URL that isn't a broker."""
    async with Stub() as other:
        monkeypatch.setattr(leftovers, "DEFAULT_URL", other.url)
        yield other


@pytest.fixture
def check(monkeypatch, tmp_path, capsys):
    """Return a function that runs `check` and returns findings about the broker."""
    monkeypatch.setenv("APP_INTEGRATIONS_SPOOL_DIR", str(tmp_path / "spool"))

    async def run(*argv, **settings):
        for name, value in settings.items():
            monkeypatch.setenv(f"APP_INTEGRATIONS_{name}", str(value))
        await asyncio.to_thread(cli.main, ["check", "--json", *argv])
        return [
            (each["level"], each["text"], each["remedy"])
            for each in json.loads(capsys.readouterr().out)
            if "broker" in f"{each['text']} {each['remedy']}"
        ]

    return run


ON, OFF = {"URL": "http://127.0.0.1:9/events"}, {}
BOTH = {"default": E, "red": E}


@pytest.mark.parametrize(
    "settings, state, expected",
    [
        (ON, C, ("problem", "keeps its log for the exporter", "uninstall --b")),
        (OFF, C, ("problem", "keeps its log for the exporter", "uninstall --broker")),
        ({"BATCH_SIZE": 0}, C, ("problem", "keeps its log", "uninstall --broker")),
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
async def test_findings(check, settings, state, expected):
    """What the broker has is compared with what is configured here."""
    async with managed(state) as broker:
        found = await check("--broker", broker.management_url, **settings)

    ((level, text, remedy),) = found
    assert level == expected[0]
    assert expected[1] in text
    assert expected[2] in remedy


async def test_default_url(check, tmp_path, monkeypatch):
    """Without --broker the usual port is asked; a URL may come from a file."""
    (tmp_path / "url").write_text(ON["URL"])
    async with managed(D) as broker:
        monkeypatch.setattr(leftovers, "DEFAULT_URL", broker.management_url)
        ((level, _, remedy),) = await check(URL_FILE=tmp_path / "url")

    assert level == "problem"
    assert remedy.endswith("enable")


@pytest.mark.parametrize("status", [200, 401, 404, 500])
async def test_no_actuator(other, check, status):
    """Something else at the default URL is a warning, and at --broker a problem."""
    other.answer = status

    for argv, expected in ([], "warning"), (["--broker", other.url], "problem"):
        ((level, text, remedy),) = await check(*argv)
        assert level == expected
        assert f"answers {status}" in text
        assert ("context path" in remedy) == (status == 404)


async def test_no_broker_at_all(other, check, monkeypatch):
    """Without a broker at the default URL there is no finding, at once."""
    monkeypatch.setattr(leftovers, "LOOK_SECONDS", 600)
    await other.down()

    assert await check() == []
    ((level, text, remedy),) = await check("--broker", other.url)
    assert level == "problem"
    assert f"{other.url} can't be asked" in text
    assert "management port" in remedy


async def test_silence(other, check, monkeypatch):
    """Without an answer at the default URL there is no finding, after a moment."""
    monkeypatch.setattr(leftovers, "LOOK_SECONDS", 0.05)
    other.answer = HANG

    assert await check() == []
    ((level, text, _),) = await check("--broker", other.url)
    assert (level, "no answer in time" in text) == ("problem", True)
