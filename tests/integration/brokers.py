"""Brokers, and the place that runs them as processes of the recorded engine."""

import asyncio
import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

import aiohttp
import psutil

from devkit.backend import Backend
from devkit.client import Client, CommandError
from devkit.cluster import SHARED
from devkit.metrics import scrape
from devkit.processes import LOOPBACK, Exporter, Process, free_port
from devkit.recorder import Recorder
from devkit.waiting import eventually

START_SECONDS = 90

VERSIONS = ("8.6.0", "8.8.21", "8.9.0", "8.10.9")
"""One version for each minor version that the recorded engine plays."""

OF_BROKERS = ("APP_INTEGRATIONS_", "CAMUNDA_", "ZEEBE_", "ZB_")
ENTRYPOINT = Path(sys.executable).with_name("app-integrations-entrypoint")
COMMAND = "from exporter.bundle.entrypoint import exporter; exit(exporter())"


class Broker:
    """
    A process or container with a broker, and with the exporter if it isn't stock.

    It has `rest_url`, `management_url`, `admin_url`, and `inside`: the management URL
    inside the container.
    """

    async def run(self):
        """Start, and wait until commands are taken."""
        self.spawn()
        await self.takes_commands()

    async def takes_commands(self, brokers=1):
        """Wait until a partition of a cluster of *brokers* has a leader."""

        async def ready():
            assert self.status is None, self.text[-3000:]
            with suppress(aiohttp.ClientError, CommandError, ValueError, LookupError):
                await self.manage("health/readiness")
                async with Client(self.rest_url) as client:
                    found = (await client.topology())["brokers"]
                    return len(found) == brokers and await client.has_leader()

        await eventually(ready, within=START_SECONDS)

    async def manage(self, path, method="GET", body=None):
        """Return the answer of the management port at *path*."""
        url = f"{self.management_url}/actuator/{path}"
        async with (
            aiohttp.ClientSession(raise_for_status=True) as session,
            session.request(method, url, json=body) as answer,
        ):
            return await answer.json()

    async def exporters(self):
        """Return the status of each exporter that the broker lists, by id."""
        listed = await self.manage("exporters")
        return {each["exporterId"]: each["status"] for each in listed}

    async def snapshot(self):
        """Wait until a snapshot holds the current exported position."""

        async def taken():
            await self.manage("partitions/takeSnapshot", "POST", {})
            (partition,) = (await self.manage("partitions")).values()
            # <index>-<term>-<processed>-<exported>-<broker>
            name = (partition["snapshotId"] or "").split("-")
            return name[3:4] == [str(partition["exportedPosition"])]

        await eventually(taken, within=START_SECONDS)

    async def holds(self, events, dead_letters=0):
        """Wait until the spool holds exactly these *events* and *dead_letters*."""

        async def held():
            found = await scrape(self.admin_url)
            numbers = found["spool_events"], found["spool_dead_letters"]
            return numbers == (events, dead_letters)

        await eventually(held, within=40)


class RecordedBroker(Broker, Process):
    """`python -m devkit`, started by the image's entrypoint if *exporter* is true."""

    def __init__(self, work, version, environment, *, exporter):
        (work / "lib").mkdir(exist_ok=True)
        (work / "lib" / f"zeebe-broker-{version}.jar").touch()
        servers = "SERVER", "MANAGEMENT_SERVER"
        servers += tuple(f"APP_INTEGRATIONS_{name}" for name in ("INGEST", "ADMIN"))
        ports = {f"{name}_PORT": str(free_port()) for name in servers}
        rest, management, _, admin = (f"http://{LOOPBACK}:{x}" for x in ports.values())
        base = environment.get("MANAGEMENT_SERVER_BASEPATH", "")
        self.rest_url, self.admin_url = rest, admin
        self.management_url = self.inside = management + base
        self._variables = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(OF_BROKERS)
        }
        self._variables |= {"CAMUNDA_HOME": str(work)} | ports | environment
        command = [sys.executable, "-m", "devkit"]
        command += ["--version", version, "--data", str(work / "data")]
        super().__init__(
            [str(ENTRYPOINT), *command] if exporter else command,
            log=work / "log",
            environment=self._variables,
        )

    async def command(self, *arguments):
        """Run a command of the exporter; return exit status and output."""
        running = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", COMMAND, *arguments),
            env=self._variables,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await running.communicate()
        return running.returncode, output.decode()

    def variables(self):
        """Return the environment of the broker that the entrypoint started."""
        return self._child("devkit").environ()

    def exporter(self):
        """Return the process id of the exporter."""
        return getattr(self._child("exporter"), "pid", None)

    def kill_exporter(self):
        """Kill only the exporter."""
        self._child("exporter").kill()

    def _child(self, module):
        children = psutil.Process(self.pid).children()
        return next((x for x in children if x.cmdline()[2:3] == [module]), None)


class Processes:
    """A place that runs brokers, exporters and stubs as processes of this machine."""

    name = "the recorded engine"
    is_real = has_images = False
    versions = VERSIONS
    """Scenarios use the newest version, or all of them."""
    backend, recorder = Backend, Recorder

    @contextmanager
    def opened(self, work):
        """Keep data and logs in the directory *work*."""
        self._work = work
        yield self

    def new_data(self):
        """Return a new place for the data of a broker."""
        return Path(mkdtemp(dir=self._work))

    new_directory = new_data
    """Return a directory that the brokers of a cluster share."""

    def addresses(self, count):
        """Return the address where the members of a cluster find each other."""
        return [f"{LOOPBACK}:{free_port()}" for _ in range(count)]

    def broker(self, environment, *, version, exporter=True, data=None, shared="", **_):
        """Return a broker for `async with` without starting it."""
        work = data or self.new_data()
        environment = environment | {SHARED: str(shared)}
        return RecordedBroker(work, version, environment, exporter=exporter)

    def exporter(self, url, **settings):
        """Return a standalone exporter for `async with` without starting it."""
        return Exporter(self.new_data(), url, **settings)
