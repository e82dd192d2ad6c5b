"""After `uninstall`, the broker stops exporting to us and keeps working."""

import json

from tests.conftest import eventually
from tests.integration.engine import CREATED, PATIENCE

DISABLED = {"id": "appintspool", "status": "DISABLED", "forgotten": False}
OFF = {"APP_INTEGRATIONS_ENABLED": "false"}


async def command(broker, name):
    """Run a command for *broker*; return its exit status and its JSON."""
    status, output = await broker.command(name, "--json", "--broker", broker.inside)
    return status, json.loads(output)


async def test_uninstall(place, start, backend, log):
    """From `uninstall` to `enable`, only the other exporter gets records."""
    below_a_path = {"MANAGEMENT_SERVER_BASEPATH": "/camunda"}
    data = place.new_data()

    async def other_gets_one(engine):
        (instance,) = await engine.tasks(1)
        await eventually(lambda: log.of(instance, "CREATED"), within=PATIENCE)
        return instance

    async with start(data=data) as engine:
        await engine.all_arrived(await engine.tasks(1), CREATED)
        first = await command(engine.broker, "uninstall")
        enabled = await command(engine.broker, "enable")
        again = await command(engine.broker, "uninstall")
        between = await other_gets_one(engine)
        listed = await engine.broker.exporters()
        await engine.broker.stop()
    async with start(data=data, environment=below_a_path | OFF) as engine:
        after = await other_gets_one(engine)
        last = await command(engine.broker, "uninstall")
        await engine.broker.stop()
    async with start(data=data, environment=below_a_path) as engine:
        enabled_again = await command(engine.broker, "enable")
        await engine.all_arrived(await engine.tasks(1), CREATED)

    assert first == again == last == (0, DISABLED)
    assert enabled == enabled_again == (0, {"id": "appintspool"})
    assert listed == {"appintspool": "DISABLED", "recorder": "ENABLED"}
    assert {between, after}.isdisjoint(each.instance for each in backend.arrivals)
