"""
Take what an Elasticsearch exporter sends, and do nothing but remember it.

It runs in a thread of its own: whatever a test does, the broker's other exporter must
always find it, because a partition's exporters wait for each other.
"""

import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from exporter.demo.ports import LOOPBACK, free_port


@dataclass(frozen=True, slots=True)
class Recorded:
    """One record as the engine exported it, and when it came."""

    at: float
    record: dict[str, Any]

    @property
    def delay(self):
        """The seconds from the engine's log to here."""
        return self.at - self.record["timestamp"] / 1000


class Server(ThreadingHTTPServer):
    """A server that outlives its clients, also those that were killed."""

    daemon_threads = True

    def __init__(self, records):
        """Append to *records* what comes."""
        super().__init__((LOOPBACK, free_port()), Handler)
        self.records = records

    def handle_error(self, *_):
        """Say nothing: a broker that was killed doesn't say goodbye."""


class Handler(BaseHTTPRequestHandler):
    """Answer every request the way Elasticsearch does on a good day."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are written one after the other

    def do_POST(self):
        """Remember the documents of a bulk request, and accept them all."""
        now = time.time()
        lines = self._body().splitlines()
        if self.path == "/_bulk":
            documents = map(json.loads, lines[1::2])
            self.server.records.extend(Recorded(now, each) for each in documents)
        self._answer({"took": 0, "errors": False, "items": []})

    def do_PUT(self):
        """Accept whatever is to be prepared."""
        self._body()
        self._answer({"acknowledged": True})

    def log_message(self, *_):
        """Say nothing."""

    def _answer(self, answer):
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _body(self):
        if self.headers["Transfer-Encoding"] != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"] or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)


class Recorder:
    """What the broker's other exporter sent so far; it records within `with`."""

    def __init__(self):
        """Take a port; nobody answers on it before `with`."""
        self.records = []
        self._server = Server(self.records)
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self):
        """Answer from now on."""
        self._thread.start()
        return self

    def __exit__(self, *_):
        """Answer no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def of(self, instance, intent=None):
        """Return what the engine recorded of one process instance, in its order."""
        return [
            recorded.record
            for recorded in self.records
            if str(recorded.record["value"]["processInstanceKey"]) == instance
            and intent in (None, recorded.record["intent"])
        ]
