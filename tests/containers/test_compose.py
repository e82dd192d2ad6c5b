"""What docs/install/docker-compose.md starts shows the events of a user task."""

import json
import os
import subprocess
from uuid import uuid4

import pytest

from exporter.demo.engine import Engine
from exporter.demo.ports import LOOPBACK, free_port
from tests.conftest import eventually
from tests.containers.brokers import REST, START_SECONDS, data_of
from tests.image.docker import ROOT, docker, inspected
from tests.integration.office import PATIENCE, Office

FILE = ROOT / "docs" / "install" / "compose.yaml"
BACKEND = "stub-backend"
PORTS = ("REST_PORT", "GRPC_PORT", "MANAGEMENT_PORT")


class Composition:
    """The containers of the file, called as nothing else is."""

    def __init__(self, command, variables):
        """Call *command*, with what the file asks for in *variables*."""
        project = f"compose-{uuid4().hex[:8]}"
        self._command = [*command, "--project-name", project, "--file", str(FILE)]
        self._environment = os.environ | variables

    def __call__(self, *arguments):
        """Return what Compose prints; it must succeed."""
        done = subprocess.run(
            [*self._command, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def container(self, service):
        """Return everything Docker knows about the container of *service*."""
        return inspected(self("ps", "--quiet", service).strip())

    def is_healthy(self, service):
        """Return whether *service* is as its health check wants it."""
        return self.container(service)["State"]["Health"]["Status"] == "healthy"

    def published(self, service):
        """Return the ports of this machine, by those of *service* that they lead to."""
        ports = self.container(service)["NetworkSettings"]["Ports"].items()
        found = {int(port[:-4]): bound[0] for port, bound in ports if bound}
        assert {each["HostIp"] for each in found.values()} == {LOOPBACK}
        return {port: each["HostPort"] for port, each in found.items()}

    def printed(self, service):
        """Return the objects that *service* has printed to stdout, a line each."""
        lines = docker("logs", self.container(service)["Id"]).stdout.splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
def compose(images):
    """Return the composition of both images; nothing of it is left behind the test."""
    done = subprocess.run(
        [ROOT / "docker" / "compose.sh"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail(done.stderr, pytrace=False)
    compose = Composition(
        done.stdout.split(),
        {
            "DISTRIBUTION_IMAGE": images.distribution,
            "STANDALONE_IMAGE": images.standalone,
            "DATA_DIRECTORY": data_of(images.distribution),
        }
        | {name: str(free_port()) for name in PORTS},
    )
    yield compose
    compose("down", "--volumes")


async def test_a_user_task(compose):
    """Deployed as the page says, a user task is a line in the stub's log."""
    compose("up", "--detach")
    await eventually(lambda: compose.is_healthy("camunda"), within=START_SECONDS)
    published = compose.published("camunda")

    async with Engine(f"http://{LOOPBACK}:{published[REST]}") as engine:
        (instance,) = await Office(engine, None).review(1)
    (line,) = await eventually(lambda: compose.printed(BACKEND), within=PATIENCE)

    assert line["event"]["processInstanceKey"] == instance
    assert line["event"]["intent"] == "CREATED"
    assert line["id"].startswith("1-")
