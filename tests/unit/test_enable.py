"""`enable` makes the broker export to us again."""

import asyncio
import json

import pytest

from exporter import cli
from exporter.broker import actuator
from tests.unit.actuators import ActuatorStub


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    """Poll without a pause."""
    monkeypatch.setattr(actuator, "POLL_SECONDS", 0)


@pytest.fixture
async def broker():
    """Return an actuator that has us disabled."""
    exporters = {"other": "ENABLED", "appintspool": "DISABLED"}
    async with ActuatorStub(exporters, looks=2) as broker:
        yield broker


@pytest.fixture
def enable(broker, capsys):
    """Return a function that runs the command; it returns status, stdout, stderr."""

    async def run(*argv):
        argv = ["enable", "--broker", broker.url, *argv]
        return await asyncio.to_thread(cli.main, argv), *capsys.readouterr()

    return run


async def test_disabled(broker, enable):
    """The command sends one request, and returns when the change is done."""
    status, out, err = await enable()

    assert (status, out) == (0, "appintspool is enabled\n")
    assert "from now on" in err
    assert broker.asked == ["enable"]
    assert broker.exporters["appintspool"] == "ENABLED"


async def test_context_path(broker, enable):
    """A 404 suggests a context path."""
    broker.path = "/orchestration"

    status, _, err = await enable()

    assert status == 1
    assert f"--broker {broker.url}/orchestration" in err


async def test_enabled_already(broker, enable):
    """The command may be repeated."""
    broker.exporters["appintspool"] = "ENABLED"

    status, out, _ = await enable("--json")

    assert (status, json.loads(out)) == (0, {"id": "appintspool"})
    assert broker.asked == []


@pytest.mark.parametrize(
    "argv, asked",
    [
        ([], ["enable blue", "enable red"]),
        (["--physical-tenant", "red"], ["enable red"]),
    ],
)
async def test_physical_tenants(broker, enable, argv, asked):
    """Every tenant with variables is enabled, or only the tenant in the option."""
    statuses = {"default": "ENABLED", "red": "DISABLED", "blue": "DISABLED"}
    broker.exporters["appintspool"] = statuses | {"gone": "CONFIG_NOT_FOUND"}

    status, out, _ = await enable(*argv)

    assert (status, out) == (0, "appintspool is enabled\n")
    assert broker.asked == asked


async def test_any_case(enable):
    """The id may be in capitals, as in variables."""
    status, out, _ = await enable("--id", "APPINTSPOOL")

    assert (status, out) == (0, "appintspool is enabled\n")


@pytest.mark.parametrize("state", [None, "CONFIG_NOT_FOUND"])
async def test_no_variables(broker, enable, state):
    """Without variables there is nothing to enable, and the error has a remedy."""
    broker.exporters["appintspool"] = state

    status, _, err = await enable()

    assert status == 1
    assert "The broker has no variables for an exporter appintspool" in err
    assert "Give every broker its variables, and restart them" in err
    assert broker.asked == []


async def test_refused(broker, enable):
    """The error contains the broker's message."""
    broker.answers["POST"] = [400]

    status, _, err = await enable()

    assert status == 1
    assert "The broker doesn't enable appintspool: 400 Expected to do it" in err


async def test_busy(broker, enable):
    """While another change is in progress, the command tries again."""
    broker.answers["POST"] = [409]

    status, _, err = await enable()

    assert status == 0
    assert "trying again" in err


async def test_not_in_time(broker, enable):
    """The command fails if the change takes too long."""
    broker.looks = 10**9

    status, _, err = await enable("--timeout", "0.01")

    assert status == 1
    assert "DISABLED after 0.01 s" in err
