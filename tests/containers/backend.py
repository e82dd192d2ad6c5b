"""The backend on this machine, as containers reach it."""

import asyncio
import time
from http import HTTPStatus

from pytest_httpserver import HTTPServer
from werkzeug import Response

from exporter.demo.backend import Arrival

# By this name a container reaches the machine it runs on.
HOST = "host.docker.internal"

# Containers come from a network of their own, which has an address of this machine.
ANY_ADDRESS = "0.0.0.0"  # noqa: S104


class Backend:
    """A stub that remembers every event, and answers as it is told."""

    def __init__(self):
        """Listen on any free port, from `up` on."""
        self._server = HTTPServer(host=ANY_ADDRESS, threaded=True)
        self._loop = asyncio.get_running_loop()
        self.arrivals = []
        self.news = asyncio.Queue()
        self.headers = []
        self.answer = HTTPStatus.OK

    @property
    def url(self):
        """Where containers post batches."""
        return f"http://{HOST}:{self._server.port}/events"

    def up(self):
        """Listen, again after `down` and on the same port."""
        served = self._server.expect_request("/events", method="POST")
        served.respond_with_handler(self._respond)
        self._server.start()

    def down(self):
        """Refuse connections, as a backend that isn't there."""
        self._server.clear()
        if self._server.is_running():
            self._server.stop()

    def _respond(self, request):
        answer = self.answer  # what a test changes meanwhile is for the next request
        if answer is HTTPStatus.OK:
            now, identities = time.time(), request.headers["X-Event-Ids"].split(",")
            events = request.get_json()["events"]
            self.headers.append(request.headers)
            for identity, event in zip(identities, events, strict=True):
                arrival = Arrival(now, identity, event)
                self.arrivals.append(arrival)
                self._loop.call_soon_threadsafe(self.news.put_nowait, arrival)
        return Response(status=answer)
