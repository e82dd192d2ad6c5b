"""`check` finds a broker that keeps its log for an exporter that is gone."""

import asyncio
import json

import pytest

from devkit.backend import HANG
from exporter import cli
from exporter.commands import leftovers
from tests.unit.actuators import ActuatorStub

NAME = "appintspool"
URL = "http://127.0.0.1:9/events"


@pytest.fixture(autouse=True)
def _spool(monkeypatch, tmp_path):
    """Let every check have a spool of its own."""
    monkeypatch.setenv("APP_INTEGRATIONS_SPOOL_DIR", str(tmp_path / "spool"))


@pytest.fixture
async def broker(monkeypatch):
    """Return an actuator at the default URL."""
    async with ActuatorStub({"other": "ENABLED"}) as broker:
        monkeypatch.setattr(leftovers, "DEFAULT_URL", broker.url)
        yield broker


@pytest.fixture
def check(capsys):
    """Return a function that runs `check` and returns findings about the broker."""

    async def run(*argv):
        await asyncio.to_thread(cli.main, ["check", "--json", *argv])
        return [
            (each["level"], each["text"], each["remedy"])
            for each in json.loads(capsys.readouterr().out)
            if "broker" in f"{each['text']} {each['remedy']}"
        ]

    return run


@pytest.mark.parametrize("url", [None, URL])
async def test_variables_removed_too_early(broker, check, monkeypatch, url):
    """An exporter without variables is a problem, configured here or not."""
    if url:
        monkeypatch.setenv("APP_INTEGRATIONS_URL", url)
    broker.exporters[NAME] = ["DISABLED", "CONFIG_NOT_FOUND"]

    ((level, text, remedy),) = await check()

    assert level == "problem"
    assert "keeps its log for the exporter appintspool" in text
    assert "`app-integrations-exporter uninstall`" in remedy


async def test_nobody_takes_it(broker, check):
    """A broker that exports although no backend is configured is a problem."""
    broker.exporters[NAME] = "ENABLED"

    ((level, text, remedy),) = await check("--broker", broker.url)

    assert level == "problem"
    assert "no backend is configured" in text
    assert f"`app-integrations-exporter uninstall --broker {broker.url}`" in remedy
    assert "set APP_INTEGRATIONS_URL" in remedy


async def test_disabled_and_wanted(broker, check, monkeypatch):
    """A disabled exporter is a problem if a backend is configured."""
    monkeypatch.setenv("APP_INTEGRATIONS_URL", URL)
    broker.exporters[NAME] = "DISABLED"

    ((level, text, remedy),) = await check("--broker", broker.url)

    assert level == "problem"
    assert text == "The broker has appintspool disabled: it sends nothing"
    assert (
        remedy == f"Enable it: app-integrations-exporter enable --broker {broker.url}"
    )


async def test_disabled_in_one_physical_tenant(broker, check, monkeypatch):
    """The finding and the command in its remedy name the tenant."""
    monkeypatch.setenv("APP_INTEGRATIONS_URL", URL)
    broker.exporters[NAME] = {"default": "ENABLED", "red": "DISABLED"}

    ((level, text, remedy),) = await check()

    assert level == "problem"
    assert "has appintspool of the physical tenant red disabled" in text
    assert remedy.endswith("enable --physical-tenant red")


@pytest.mark.parametrize("suffix", ["", "_FILE"])
async def test_in_use(broker, check, monkeypatch, tmp_path, suffix):
    """An exporter that is configured on both sides is ok."""
    (tmp_path / "url").write_text(URL)
    value = str(tmp_path / "url") if suffix else URL
    monkeypatch.setenv(f"APP_INTEGRATIONS_URL{suffix}", value)
    broker.exporters[NAME] = "ENABLED"

    assert await check() == [("ok", "The broker exports to appintspool", "")]


async def test_in_use_by_every_physical_tenant(broker, check, monkeypatch):
    """If no physical tenant has a problem, there is one finding for all."""
    monkeypatch.setenv("APP_INTEGRATIONS_URL", URL)
    broker.exporters[NAME] = {"default": "ENABLED", "red": "ENABLED"}

    assert await check() == [("ok", "The broker exports to appintspool", "")]


@pytest.mark.usefixtures("broker")
async def test_variables_never_set(check, monkeypatch):
    """A broker without our exporter is a warning with a remedy."""
    monkeypatch.setenv("APP_INTEGRATIONS_URL", URL)

    ((level, text, remedy),) = await check()

    assert level == "warning"
    assert text == "The broker has no exporter appintspool: it sends nothing"
    assert "`app-integrations-exporter broker-environment`" in remedy


@pytest.mark.parametrize("exporters", [{}, {NAME: "DISABLED"}, {"other": "ENABLED"}])
async def test_nothing_left(broker, check, exporters):
    """Without a backend, a broker that doesn't export to us is ok."""
    broker.exporters = exporters

    ((level, _, _),) = await check("--broker", broker.url)

    assert level == "ok"


async def test_settings_with_mistakes(broker, check, monkeypatch):
    """Mistakes in the settings don't hide the finding."""
    monkeypatch.setenv("APP_INTEGRATIONS_BATCH_SIZE", "0")
    broker.exporters[NAME] = "CONFIG_NOT_FOUND"

    ((level, _, _),) = await check()

    assert level == "problem"


@pytest.mark.parametrize("status", [200, 401, 404, 500])
async def test_no_actuator(broker, check, status):
    """Something else at the default URL is a warning."""
    broker.answer = status

    for argv, expected in ([], "warning"), (["--broker", broker.url], "problem"):
        ((level, text, _),) = await check(*argv)
        assert level == expected
        assert f"answers {status}" in text


async def test_context_path(broker, check):
    """`--broker` finds a broker with a context path, as the warning suggests."""
    broker.path = "/orchestration"
    broker.exporters = {NAME: "CONFIG_NOT_FOUND"}

    ((_, _, remedy),) = await check()
    url = f"{broker.url}/orchestration"
    ((level, _, _),) = await check("--broker", url)

    assert "context path" in remedy
    assert f"{broker.url}/orchestration" in remedy
    assert level == "problem"


async def test_no_broker_at_all(broker, check, monkeypatch):
    """No broker at the default URL is no finding, and takes no time."""
    monkeypatch.setattr("exporter.commands.leftovers.LOOK_SECONDS", 600)
    await broker.down()

    assert await check() == []
    ((level, text, remedy),) = await check("--broker", broker.url)
    assert level == "problem"
    assert f"{broker.url} can't be asked" in text
    assert "management port" in remedy


async def test_silence(broker, check, monkeypatch):
    """No answer at the default URL is no finding, and takes a moment."""
    monkeypatch.setattr(leftovers, "LOOK_SECONDS", 0.05)
    broker.answer = HANG

    assert await check() == []
    ((level, text, _),) = await check("--broker", broker.url)
    assert level == "problem"
    assert "no answer in time" in text
