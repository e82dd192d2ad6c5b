"""Exporters of the recorded engine, their variables, and their search servers."""

import json
from contextlib import AsyncExitStack

from devkit.arguments import exporters, version_of
from devkit.backend import Answer
from devkit.clock import Clock
from devkit.engine import Partition
from devkit.exporting import Exporting
from devkit.recorder import Recorder
from tests.records import a_record

ELASTICSEARCH = "io.camunda.zeebe.exporter.ElasticsearchExporter"
OPENSEARCH = "io.camunda.zeebe.exporter.opensearch.OpensearchExporter"


def variables(version, name="X", *, kind=ELASTICSEARCH, **arguments):
    """Return the variables of one exporter in a broker of *version*."""
    unified = version_of(version) >= (8, 8)
    start = "CAMUNDA_DATA" if unified else "ZEEBE_BROKER"
    start = f"{start}_EXPORTERS_{name}"
    return {f"{start}_CLASSNAME": kind} | {
        f"{start}_ARGS_{key}": str(value) for key, value in arguments.items()
    }


def one(version="8.6.0", *, kind=ELASTICSEARCH, **arguments):
    """Return one exporter's arguments."""
    return exporters(variables(version, kind=kind, **arguments), version)["x"]


class Server(Recorder):
    """A search server that can refuse requests for one path."""

    def __init__(self, clock):
        super().__init__()
        self.refused = None
        self._clock = clock

    async def respond(self, request):
        """Accept or refuse *request*."""
        request.at = self._clock.seconds
        accepted = await super().respond(request)
        return Answer(503) if request.path == self.refused else accepted

    @property
    def bulks(self):
        """The time of each bulk, and its positions."""
        return [
            (each.at, [json.loads(x)["position"] for x in each.body.splitlines()[1::2]])
            for each in self.requests
            if each.path == "/_bulk"
        ]


class Exported:
    """
    A partition, and exporters with a server each; `async with` runs the servers.

    Only `write` and `until` export. The time is that of a test's clock.
    """

    def __init__(self, version="8.6.0", *names, snapshot=None, **arguments):
        """Start at 0 s with exporters of these *names*, or one with the name x."""
        self.clock, self.partition = Clock(0.0), Partition(1)
        self.servers = {name: Server(self.clock) for name in names or "x"}
        self.server = self.servers.get("x")
        given = {"BULK_SIZE": 1, "BULK_DELAY": 1000, "INDEX_CREATETEMPLATE": "false"}
        environ = {}
        for name, server in self.servers.items():
            own = {"URL": server.url} | given | arguments
            environ |= variables(version, name, **own)
        self.exporting = Exporting(
            self.partition,
            exporters(environ, version),
            version,
            snapshot=snapshot,
            seconds=self.clock,
        )

    async def __aenter__(self):
        self._stack = AsyncExitStack()
        for server in self.servers.values():
            await self._stack.enter_async_context(server)
        self._stack.callback(self.exporting.close)
        return self

    async def __aexit__(self, *_):
        await self._stack.aclose()

    async def write(self, *positions, **changes):
        """Append records to the log, and export until nothing is due."""
        self.partition.log.append([a_record(x, **changes) for x in positions])
        await self.exporting.work()

    async def until(self, seconds):
        """Advance the clock, and do all work that becomes due."""
        while self.clock.seconds < seconds:
            delay = await self.exporting.work()
            later = seconds if delay is None else self.clock.seconds + delay
            self.clock.seconds = min(later, seconds)
        await self.exporting.work()
