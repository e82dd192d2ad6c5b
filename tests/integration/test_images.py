"""Broker and exporter in one image, with different ways to run it."""

import json
import os
import subprocess
from uuid import uuid4

import pytest

from devkit.client import Client
from devkit.processes import LOOPBACK, free_port
from tests.conftest import eventually
from tests.image.docker import ROOT, docker, inspected
from tests.integration.brokers import START_SECONDS
from tests.integration.engine import LIFE, PATIENCE, Engine
from tests.integration.images import data_of

pytestmark = pytest.mark.images("it is about how a container is run")

# The script of the official chart, for images of every version.
SCRIPT = """
if [ -x /usr/local/bin/startup.sh ]; then exec bash /usr/local/bin/startup.sh; fi
exec camunda
"""


async def test_as_the_official_chart_runs_it(start, place):
    """The image works with a script, any user, a read-only root and no capabilities."""
    restricted = {
        "entrypoint": ["app-integrations-entrypoint", "bash", "-c", SCRIPT],
        "user": "12345:0",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
    }
    async with start(data=place.new_data(), **restricted) as engine, engine.at_work():
        instances = await engine.tasks(3)
        await engine.all_arrived(instances, LIFE)

        assert engine.histories(instances) == dict.fromkeys(instances, LIFE)


async def test_orphans(engine):
    """The entrypoint reaps orphaned processes of the broker's scripts."""
    engine.broker.shell("for _ in 1 2 3; do (sleep 0.1 &); done")

    names = "cat /proc/[0-9]*/comm 2>/dev/null || true"
    await eventually(lambda: "sleep" not in engine.broker.shell(names))


@pytest.fixture
def compose(place):
    """Return a function that calls Compose with docs/install/compose.yaml."""
    found = subprocess.run(
        [ROOT / "docker" / "compose.sh"], capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip(found.stderr.strip())
    file = ROOT / "docs" / "install" / "compose.yaml"
    project = f"compose-{uuid4().hex[:8]}"
    command = [*found.stdout.split(), "--project-name", project, "--file", str(file)]
    variables = {
        "DISTRIBUTION_IMAGE": place.images.distribution,
        "STANDALONE_IMAGE": place.images.standalone,
        "DATA_DIRECTORY": data_of(place.images.distribution),
    }
    ports = ("REST_PORT", "GRPC_PORT", "MANAGEMENT_PORT")
    variables |= {name: str(free_port()) for name in ports}

    def compose(*arguments):
        done = subprocess.run(
            [*command, *arguments],
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout

    yield compose, f"http://{LOOPBACK}:{variables['REST_PORT']}"
    compose("down", "--volumes")


async def test_compose(compose, version):
    """The steps of docs/install/docker-compose.md print a task's event."""
    compose, rest_url = compose
    compose("up", "--detach")
    broker, stub = (
        compose("ps", "--quiet", name).strip() for name in ("camunda", "stub-backend")
    )

    def is_healthy():
        return inspected(broker)["State"]["Health"]["Status"] == "healthy"

    await eventually(is_healthy, within=START_SECONDS)
    async with Client(rest_url) as client:
        (instance,) = await Engine(None, client, None, None, version).tasks(1)
    printed = await eventually(lambda: docker("logs", stub).stdout, within=PATIENCE)

    line = json.loads(printed)
    assert line["event"]["processInstanceKey"] == instance
    assert line["event"]["intent"] == "CREATED"
    assert line["id"].startswith("1-")
    published = inspected(broker)["NetworkSettings"]["Ports"].values()
    hosts = {bound["HostIp"] for each in published for bound in each or ()}
    assert hosts == {LOOPBACK}
