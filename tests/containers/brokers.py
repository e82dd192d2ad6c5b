"""Real brokers in containers, with what a test needs to see and do in them."""

import asyncio
import json
import re
from contextlib import contextmanager

import aiohttp
from testcontainers.core.container import DockerContainer

import docker
from exporter.demo.child import until
from exporter.demo.engine import Engine
from exporter.demo.errors import EngineError
from tests.containers.backend import HOST
from tests.image.docker import inspected

REST, MANAGEMENT = 8080, 9600
START_SECONDS = 90

ALONE = {
    # A broker of minutes gains more from a fast start than from the best code.
    "JAVA_TOOL_OPTIONS": "-Xmx512m -XX:TieredStopAtLevel=1",
    # From 8.8 on it would insist on a database and on users.
    "CAMUNDA_DATA_SECONDARYSTORAGE_TYPE": "none",
    "CAMUNDA_SECURITY_AUTHENTICATION_UNPROTECTEDAPI": "true",
    "CAMUNDA_SECURITY_AUTHORIZATIONS_ENABLED": "false",
    "SPRING_PROFILES_ACTIVE": "broker",
}

# What only the broker's own command line holds.
JAVA = "io.camunda.application.Standalone"

# A command line per process, without a `ps`, which small images lack.
PROCESSES = r"""
for each in /proc/[0-9]*; do
    read -r line < <(tr '\0' ' ' < $each/cmdline 2>/dev/null) || true
    [ -n "$line" ] && echo "${each#/proc/} $line"
done
true
"""


class Broker:
    """One container with a broker in it; it's removed behind `with`."""

    def __init__(self, image, *, volume=None, network=None, name=None, **options):
        """Prepare a container of *image*; *options* are those of `docker run`."""
        self._client = docker.from_env()
        variables = options.pop("environment", {})
        container = DockerContainer(image).with_envs(**(ALONE | variables))
        container.with_exposed_ports(REST, MANAGEMENT)
        # Where a root is read-only; the broker unpacks its libraries there.
        container.with_tmpfs_mount("/tmp", "exec")  # noqa: S108
        container.with_kwargs(extra_hosts={HOST: "host-gateway"}, **options)
        if volume:
            container.with_volume_mapping(volume, data_of(image), "rw")
        if network:
            container.with_network(network).with_network_aliases(name)
        self._container = container

    def __enter__(self):
        """Start it, and don't wait for anything."""
        self._container.start()
        return self

    def __exit__(self, *_):
        """Remove it; a volume of its own stays."""
        self._container.stop(delete_volume=False)
        self._client.close()

    @property
    def docker(self):
        """The container itself, as it is now."""
        container = self._container.get_wrapped_container()
        container.reload()
        return container

    @property
    def rest_url(self):
        """Where its REST API is on this machine; another port after each start."""
        return self._url(REST)

    def _url(self, port):
        found = self.docker.ports[f"{port}/tcp"][0]["HostPort"]
        return f"http://{self._container.get_container_host_ip()}:{found}"

    async def ready(self, *, brokers=1):
        """Return when all partitions have a healthy leader among *brokers*."""
        async with asyncio.timeout(START_SECONDS):
            await until(lambda: self._leads(brokers))

    async def _leads(self, brokers):
        assert self.docker.status != "exited", self.log[-3000:]
        try:
            async with Engine(self.rest_url) as engine:
                topology = await engine.topology()
            await self.manage("health/readiness")
        except (aiohttp.ClientError, EngineError, ValueError, LookupError, TypeError):
            return False
        roles = [
            (each["role"], each["health"])
            for broker in topology["brokers"]
            for each in broker["partitions"]
        ]
        return len(topology["brokers"]) == brokers and ("leader", "healthy") in roles

    async def manage(self, path, method="GET", body=None):
        """Return what its management answers at *path*."""
        url = f"{self._url(MANAGEMENT)}/actuator/{path}"
        async with (
            aiohttp.ClientSession(raise_for_status=True) as session,
            session.request(method, url, json=body) as answer,
        ):
            return await answer.json()

    async def exporters(self):
        """Return the status of every exporter that the broker knows, by id."""
        known = await self.manage("exporters")
        return {each["exporterId"]: each["status"] for each in known}

    async def snapshot(self):
        """Return when a snapshot holds whatever was exported until then."""
        async with asyncio.timeout(START_SECONDS):
            await until(self._has_snapshot)

    async def _has_snapshot(self):
        partitions = await self.manage("partitions")
        if all(map(_holds_what_was_exported, partitions.values())):
            return True
        await self.manage("partitions/takeSnapshot", "POST", {})
        return False

    def processes(self):
        """Return the command line of every process, by its id in the container."""
        lines = self.run("bash", "-c", PROCESSES).splitlines()
        return {int(pid): line for pid, _, line in (x.partition(" ") for x in lines)}

    def names(self):
        """Return the name of every process, also of those that ended unreaped."""
        return self.run(
            "bash", "-c", "cat /proc/[0-9]*/comm 2>/dev/null || true"
        ).split()

    def exporter(self):
        """Return the process id of the exporter, None while there is none."""
        for pid, line in self.processes().items():
            if "app-integrations-exporter" in line and line.split()[-1] == "run":
                return pid
        return None

    def java(self):
        """Return the process id of the broker itself."""
        lines = self.processes().items()
        (pid,) = [pid for pid, line in lines if JAVA in line]
        return pid

    def run(self, *command):
        """Return what *command* prints in the container; it must succeed."""
        status, output = self.docker.exec_run(command, demux=True)
        assert status == 0, output
        return (output[0] or b"").decode()

    def variables(self, pid):
        """Return the environment of a process in the container."""
        text = self.run("cat", f"/proc/{pid}/environ")
        return dict(each.split("=", 1) for each in text.split("\0") if "=" in each)

    def status(self):
        """Return what the exporter's own `status` says, good or bad."""
        command = ["app-integrations-exporter", "status", "--json"]
        _, (output, _) = self.docker.exec_run(command, demux=True)
        return json.loads(output)

    @property
    def log(self):
        """All that the container wrote."""
        return self.docker.logs().decode()

    def said(self, message):
        """Return the exporter's log lines with *message*."""
        start = '{"time"'
        lines = [json.loads(x) for x in self.log.splitlines() if x.startswith(start)]
        return [line for line in lines if line.get("message") == message]


def _holds_what_was_exported(partition):
    """Return whether the latest snapshot of *partition* is of now."""
    # <index>-<term>-<processed>-<exported>-<broker>
    name = (partition["snapshotId"] or "").split("-")
    return name[3:4] == [str(partition["exportedPosition"])]


def data_of(image):
    """Return where a broker of *image* has its data."""
    given = inspected(image)["Config"]["Env"]
    told = dict(each.split("=", 1) for each in given)
    return f"{told.get('CAMUNDA_HOME') or told['ZB_HOME']}/data"


def version_of(image):
    """Return the version of the broker in *image*, as its libraries tell it."""
    client = docker.from_env()
    try:
        names = client.containers.run(
            image,
            ["-c", "ls /usr/local/{camunda,zeebe}/lib 2>/dev/null || true"],
            entrypoint="bash",
            remove=True,
        )
    finally:
        client.close()
    found = re.search(r"zeebe-broker-(\d[^\n]*)\.jar", names.decode())
    return found[1]


@contextmanager
def new_volume():
    """Yield the name of a volume that outlives containers, but not the test."""
    client = docker.from_env()
    volume = client.volumes.create()
    try:
        yield volume.name
    finally:
        volume.remove(force=True)
        client.close()
