"""A broker of any kind, and brokers of the recorded engine as processes."""

import asyncio
import os
import sys
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import mkdtemp

import aiohttp
import psutil

from devkit.backend import Backend
from devkit.client import Client, CommandError
from devkit.metrics import scrape
from devkit.processes import LOOPBACK, Exporter, Process, free_port
from devkit.recorder import Recorder
from devkit.waiting import eventually

START_SECONDS = 90

VERSIONS = ("8.6.0", "8.8.21", "8.9.0", "8.10.9")
"""One of each minor version that the recorded engine plays."""

OF_BROKERS = ("APP_INTEGRATIONS_", "CAMUNDA_", "ZEEBE_", "ZB_")
ENTRYPOINT = Path(sys.executable).with_name("app-integrations-entrypoint")
COMMAND = "from exporter.distribution.entrypoint import exporter; exit(exporter())"


class Broker(ABC):
    """A broker with its data, and beside it the exporter unless it's a stock broker."""

    rest_url: str
    management_url: str
    inner_management_url: str
    """Where a command beside the broker finds its management port."""
    admin_url: str

    @abstractmethod
    async def spawn(self):
        """Start without waiting for anything."""

    @abstractmethod
    async def stop(self):
        """Stop in order, and return the exit status. The data stay."""

    @abstractmethod
    async def kill(self):
        """Kill broker and exporter at once. The data stay."""

    @property
    @abstractmethod
    def ended(self):
        """Whether the broker runs no more."""

    @property
    @abstractmethod
    def log(self):
        """All that broker and exporter have written."""

    @abstractmethod
    async def run(self, *arguments):
        """Return the status and the output of the exporter's own command line."""

    @abstractmethod
    def children(self):
        """Return the command line of every child of the entrypoint, by process id."""

    @abstractmethod
    def kill_child(self, pid):
        """Kill one of them at once."""

    @abstractmethod
    def variables(self, pid):
        """Return the environment of a process."""

    async def start(self, *, brokers=1):
        """Start, and return when the broker takes commands."""
        await self.spawn()
        await self.ready(brokers=brokers)

    async def ready(self, *, brokers=1):
        """Return when a partition has a leader and so many *brokers* are there."""
        await eventually(lambda: self._leads(brokers), within=START_SECONDS)

    async def _leads(self, brokers):
        assert not self.ended, self.log[-3000:]
        try:
            async with Client(self.rest_url) as client:
                found = (await client.topology())["brokers"]
                leads = await client.has_leader()
            await self.manage("health/readiness")
        except (aiohttp.ClientError, CommandError, ValueError, LookupError):
            return False
        return leads and len(found) == brokers

    async def manage(self, path, method="GET", body=None):
        """Return what the management port answers at *path*."""
        url = f"{self.management_url}/actuator/{path}"
        async with (
            aiohttp.ClientSession(raise_for_status=True) as session,
            session.request(method, url, json=body) as answer,
        ):
            return await answer.json()

    async def exporters(self):
        """Return the status of each exporter that the broker lists, by its id."""
        listed = await self.manage("exporters")
        return {each["exporterId"]: each["status"] for each in listed}

    async def snapshot(self):
        """Return when a snapshot holds what was exported until now."""
        await eventually(self._has_snapshot, within=START_SECONDS)

    async def _has_snapshot(self):
        (partition,) = (await self.manage("partitions")).values()
        # <index>-<term>-<processed>-<exported>-<broker>
        name = (partition["snapshotId"] or "").split("-")
        if name[3:4] == [str(partition["exportedPosition"])]:
            return True
        await self.manage("partitions/takeSnapshot", "POST", {})
        return False

    def exporter(self):
        """Return the process id of the exporter, None while there is none."""
        found = self.children().items()
        return next((pid for pid, line in found if _is_ours(line)), None)

    def broker(self):
        """Return the process id of the broker beside the exporter."""
        (pid,) = (pid for pid, line in self.children().items() if not _is_ours(line))
        return pid

    async def held(self):
        """Return how many events wait, and how many are dead letters."""
        metrics = await scrape(self.admin_url)
        return metrics["spool_events"], metrics["spool_dead_letters"]


def _is_ours(line):
    return line.endswith("exporter run")


class RecordedBroker(Broker):
    """`python -m devkit`, where wanted behind the entrypoint of the image."""

    def __init__(self, work, version, environment, *, exporter):
        """Keep everything in the directory *work*."""
        (work / "lib").mkdir(exist_ok=True)
        (work / "lib" / f"zeebe-broker-{version}.jar").touch()
        rest, management, ingest, admin = (free_port() for _ in range(4))
        base = environment.get("MANAGEMENT_SERVER_BASEPATH", "")
        self.rest_url = f"http://{LOOPBACK}:{rest}"
        self.management_url = f"http://{LOOPBACK}:{management}{base}"
        self.inner_management_url = self.management_url
        self.admin_url = f"http://{LOOPBACK}:{admin}"
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(OF_BROKERS)
        }
        self._environment = inherited | {
            "CAMUNDA_HOME": str(work),
            "SERVER_PORT": str(rest),
            "MANAGEMENT_SERVER_PORT": str(management),
            "APP_INTEGRATIONS_INGEST_PORT": str(ingest),
            "APP_INTEGRATIONS_ADMIN_PORT": str(admin),
            **environment,
        }
        data = str(work / "data")
        command = [sys.executable, "-m", "devkit", "--version", version, "--data", data]
        if exporter:
            command = [str(ENTRYPOINT), *command]
        self._process = Process(
            command, log=work / "log", environment=self._environment
        )

    async def spawn(self):
        """Start without waiting for anything."""
        self._process.spawn()

    async def stop(self):
        """Stop in order, and return the exit status."""
        return await self._process.stop()

    async def kill(self):
        """Kill broker and exporter at once."""
        self._process.kill()

    @property
    def ended(self):
        """Whether the process has ended."""
        return self._process.status is not None

    @property
    def log(self):
        """All that was written, by all runs."""
        return self._process.log.read_text("utf-8", errors="replace")

    async def run(self, *arguments):
        """Run the exporter's command line with the same environment."""
        running = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", COMMAND, *arguments),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await running.communicate()
        return running.returncode, output.decode()

    def children(self):
        """Return the children of the entrypoint."""
        found = psutil.Process(self._process.pid).children()
        return {each.pid: " ".join(each.cmdline()) for each in found}

    def kill_child(self, pid):
        """Kill one of them at once."""
        psutil.Process(pid).kill()

    def variables(self, pid):
        """Return the environment of a process."""
        return psutil.Process(pid).environ()


class Processes:
    """A place for brokers, exporters and stubs: processes of this machine."""

    name = "the recorded engine"
    is_real = has_images = False
    versions = VERSIONS
    """The newest is what a scenario gets unless it asks for each of them."""
    backend, recorder = Backend, Recorder

    @contextmanager
    def opened(self, work):
        """Keep data and logs in the directory *work*."""
        self._work = work
        yield self

    def new_data(self):
        """Return a new place for the data of a broker."""
        return Path(mkdtemp(dir=self._work))

    def addresses(self, count):
        """Return where the members of a cluster find each other."""
        return [f"{LOOPBACK}:{free_port()}" for _ in range(count)]

    @asynccontextmanager
    async def broker(self, environment, *, version, exporter=True, data=None, **_):
        """Yield a broker that isn't started; nothing of it is left in the end."""
        work = data or self.new_data()
        broker = RecordedBroker(work, version, environment, exporter=exporter)
        try:
            yield broker
        finally:
            await broker.kill()

    def exporter(self, url, **settings):
        """Return an exporter of its own for `async with`; it isn't started."""
        return Exporter(self.new_data(), url, **settings)
