"""Brokers of the recorded engine, or stubs, that list exporters in given states."""

import json
from contextlib import asynccontextmanager

from devkit.backend import Answer
from devkit.broker import Broker
from exporter.broker.environment import broker_environment

NAME = "appintspool"
E, D, C = "ENABLED", "DISABLED", "CONFIG_NOT_FOUND"
NO_SERVER = "http://127.0.0.1:1"


@asynccontextmanager
async def managed(state, path=""):
    """
    Run a broker with our exporter in a *state*, and with another exporter.

    The state is a dictionary if the broker has physical tenants, and None if the broker
    doesn't list our exporter.
    """
    tenants = state if isinstance(state, dict) else {}
    version = "8.10.0" if tenants else "8.9.0"
    given = broker_environment(version, NO_SERVER, physical_tenants=tenants)
    given |= broker_environment(version, NO_SERVER, exporter_id="OTHER")
    given |= {"MANAGEMENT_SERVER_BASEPATH": path}
    async with Broker(version, given) as broker:
        for (tenant, _), each in broker.exporting.items():
            each.disable(NAME)
            each.states[NAME] = tenants[tenant] if tenants else state
            if each.states[NAME] is None:
                del each.states[NAME]
        yield broker


def states(broker):
    """Return the state of our exporter in each physical tenant."""
    return {x: each.states.get(NAME) for (x, _), each in broker.exporting.items()}


def listed(state, name=NAME, **more):
    """Return the answer of an actuator with one exporter."""
    body = json.dumps([{"exporterId": name, "status": state} | more])
    return Answer(200, body=body.encode())


def refused(status):
    """Return the answer of an actuator to a change that it refuses."""
    return Answer(status, body=b'{"message": "Expected to do it, but\\nwon\'t"}')
