"""Exporters of the recorded engine, and a search server that answers as a test says."""

import asyncio
import json

from devkit.arguments import exporters
from devkit.clock import Clock
from devkit.connection import Answer, Connection
from devkit.engine import Partition
from devkit.exporting import Exporting
from tests.records import a_record

ELASTICSEARCH = "io.camunda.zeebe.exporter.ElasticsearchExporter"
OPENSEARCH = "io.camunda.zeebe.exporter.opensearch.OpensearchExporter"
HEADERS = {"x-elastic-product": "Elasticsearch", "content-type": "application/json"}
GOOD = b'{"took":0,"errors":false,"items":[],"acknowledged":true}'
LONG = 1000


def variables(version, name="X", *, kind=ELASTICSEARCH, **arguments):
    """Return what configures one exporter of a broker of *version*."""
    unified = [int(each) for each in version.split(".")[:2]] >= [8, 8]
    start = "CAMUNDA_DATA" if unified else "ZEEBE_BROKER"
    start = f"{start}_EXPORTERS_{name}"
    return {f"{start}_CLASSNAME": kind} | {
        f"{start}_ARGS_{key}": str(value) for key, value in arguments.items()
    }


def one(version="8.6.0", *, kind=ELASTICSEARCH, **arguments):
    """Return one exporter's arguments."""
    return exporters(variables(version, kind=kind, **arguments), version)["x"]


class Server(Connection):
    """A search server without sockets; it answers as long as its `gate` is open."""

    def __init__(self, clock):
        """Be well."""
        self.status = 200
        """Of bulks."""
        self.refused = "nothing"
        """The beginning of the path of other requests that fail."""
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = []
        """When, what, and the body of each request."""
        self._clock = clock

    def connect(self, *_):
        """Be the connection of an exporter."""
        return self

    def close(self):
        """Do nothing: there is no socket."""

    async def ask(self, request):
        """Answer *request*."""
        head, _, body = request.partition(b"\r\n\r\n")
        path = head.decode().split(" ")[1]
        self.asked.append((self._clock.seconds, path, body))
        await self.gate.wait()
        status = 500 if path.startswith(self.refused) else 200
        return Answer(self.status if path == "/_bulk" else status, HEADERS, GOOD)

    @property
    def times(self):
        """When bulks came, in seconds since the beginning."""
        return [at for at, path, _ in self.asked if path == "/_bulk"]

    @property
    def bulks(self):
        """The positions in each bulk."""
        return [
            [document["position"] for document in documents(body)]
            for _, path, body in self.asked
            if path == "/_bulk"
        ]

    @property
    def sequences(self):
        """The number of each document among those of its type."""
        return [
            document["sequence"] & 0xFFFF
            for _, path, body in self.asked
            if path == "/_bulk"
            for document in documents(body)
        ]


def documents(body):
    """Return the documents in a body in chunks."""
    lines = [line for line in body.split(b"\r\n") if line.startswith(b"{")]
    return [json.loads(line) for line in b"".join(lines).splitlines()[1::2]]


class Exported:
    """A partition, its exporters, the servers that they send to, and a clock."""

    def __init__(self, version="8.6.0", *names, snapshot=None, log=None, **arguments):
        """Begin at 0 s with exporters of these *names*, or one of the name x."""
        self.clock = Clock(0.0)
        self.partition = Partition(1)
        self.servers = {name: Server(self.clock) for name in names or "x"}
        usual = {"BULK_SIZE": 1, "BULK_DELAY": LONG, "INDEX_CREATETEMPLATE": "false"}
        given = {}
        for number, name in enumerate(self.servers):
            url = f"http://127.0.0.1:{number}"
            given |= variables(version, name, **usual | {"URL": url} | arguments)
        self._append(*(log or ()))
        servers = list(self.servers.values())
        self.exporting = Exporting(
            self.partition,
            exporters(given, version),
            version,
            snapshot=snapshot,
            seconds=self.clock,
            connect=lambda address, _: servers[address[1]],
        )

    async def __aenter__(self):
        """Export."""
        self._task = asyncio.create_task(self.exporting.run())
        await self.settle()
        return self

    async def __aexit__(self, *_):
        """Export no more."""
        self._task.cancel()
        await asyncio.wait([self._task])

    @property
    def server(self):
        """The server of the only exporter."""
        (server,) = self.servers.values()
        return server

    async def write(self, *positions, **changes):
        """Append records to the log, and return when nothing happens any more."""
        self._append(*positions, **changes)
        await self.settle()

    def _append(self, *positions, **changes):
        records = [a_record(position, **changes) for position in positions]
        self.partition.log.append(records)
        self.partition.log.commit()

    async def settle(self):
        """Return when nothing happens any more before the clock moves."""
        for _ in range(100):
            await asyncio.sleep(0)

    async def until(self, seconds):
        """Let the time pass in steps that miss nothing."""
        while self.clock.seconds < seconds:
            self.clock.seconds += 0.5
            self.exporting.wake()
            await self.settle()
