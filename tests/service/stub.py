"""A backend for tests: it remembers every post, and answers as it is told."""

import json
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

PATH = "/events"


@dataclass
class Post:
    """One request, as it arrived, and the status it was answered with."""

    headers: dict[str, str]
    body: bytes
    status: int | None = None

    @property
    def ids(self) -> list[str]:
        """The identities, in the order of the header."""
        return self.headers["X-Event-Ids"].split(",")

    @property
    def positions(self) -> list[int]:
        """The positions in the engine's log, in the order of the header."""
        return [int(identity.split("-")[-2]) for identity in self.ids]

    @property
    def events(self) -> list[dict]:
        """The events, in the order of the body."""
        return json.loads(self.body)["events"]


@dataclass
class Stub:
    """What the backend got; `answer` is a status, or a function that returns one."""

    server: HTTPServer
    answer: int | Callable[[Post], int] = 200
    posts: list[Post] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    """Headers of its answers."""
    body: bytes = b""
    """What its answers say."""

    def __post_init__(self):
        """Begin to listen."""
        self.url = self.server.url_for(PATH)
        self._gates = []
        served = self.server.expect_request(PATH, method="POST")
        served.respond_with_handler(self._respond)

    @property
    def accepted(self) -> list[Post]:
        """The posts that were answered with success."""
        return [post for post in self.posts if post.status and post.status < 300]

    @property
    def refused(self) -> list[Post]:
        """The posts that were answered with 422."""
        return [post for post in self.posts if post.status == 422]

    @property
    def positions(self) -> list[int]:
        """The positions of all accepted events, in the order of their acceptance."""
        return [position for post in self.accepted for position in post.positions]

    def gate(self) -> threading.Event:
        """Return what a slow answer can wait for; it opens with the test's end."""
        self._gates.append(threading.Event())
        return self._gates[-1]

    def open_gates(self) -> None:
        """Let everybody go who still waits."""
        for gate in self._gates:
            gate.set()

    def _respond(self, request: Request) -> Response:
        post = Post(dict(request.headers), request.get_data())
        if _is_nobodys(request.environ["werkzeug.socket"]):
            # Cut off by a stop, perhaps a while ago: what came since isn't about it.
            return Response(status=503)
        self.posts.append(post)
        status = self.answer(post) if callable(self.answer) else self.answer
        post.status = status
        return Response(self.body, status=status, headers=self.headers)


def _is_nobodys(connection: socket.socket) -> bool:
    """Whether whoever asked has hung up."""
    if isinstance(connection, ssl.SSLSocket):
        return False  # it can't look without taking
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
