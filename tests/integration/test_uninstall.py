"""The exporter goes: the broker sends nothing more, and works on without it."""

import json

import pytest

from tests.conftest import eventually
from tests.integration.engine import CREATED, PATIENCE

DISABLED = {"id": "appintspool", "status": "DISABLED", "forgotten": False}
OFF = {"APP_INTEGRATIONS_ENABLED": "false"}


async def command(broker, name):
    """Run a command about *broker* beside it; return its exit status and its JSON."""
    status, output = await broker.command(name, "--json", "--broker", broker.inside)
    return status, json.loads(output)


@pytest.mark.parametrize("base_path", ["", "/camunda"], ids=["", "below a path"])
async def test_uninstall(place, start, backend, log, base_path):
    """What happens from `uninstall` to `enable` goes to the other exporter alone."""
    path = {"MANAGEMENT_SERVER_BASEPATH": base_path} if base_path else {}
    data = place.new_data()

    async def other_gets_one(engine):
        (instance,) = await engine.tasks(1)
        await eventually(lambda: log.of(instance, "CREATED"), within=PATIENCE)
        return instance

    async with start(data=data, environment=path) as engine:
        await engine.all_told(await engine.tasks(1), CREATED)
        first = await command(engine.broker, "uninstall")
        between = await other_gets_one(engine)
        again = await command(engine.broker, "uninstall")
        listed = await engine.broker.exporters()
        await engine.broker.stop()
    async with start(data=data, environment=path | OFF) as engine:
        after = await other_gets_one(engine)
        last = await command(engine.broker, "uninstall")
        await engine.broker.stop()
    async with start(data=data, environment=path) as engine:
        enabled = await command(engine.broker, "enable")
        await engine.all_told(await engine.tasks(1), CREATED)

    assert first == again == last == (0, DISABLED)
    assert enabled == (0, {"id": "appintspool"})
    assert listed == {"appintspool": "DISABLED", "recorder": "ENABLED"}
    assert {between, after}.isdisjoint(each.instance for each in backend.arrivals)
