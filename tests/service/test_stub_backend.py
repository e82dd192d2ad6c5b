"""`stub-backend` prints the events it gets."""

import json
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from exporter import cli
from tests.records import tasks
from tests.service.running import send

BATCH = {"events": [{"intent": "CREATED"}, {"intent": "ASSIGNED", "assignee": "Zoë"}]}
IDS = {"X-Event-Ids": "1-7-100,1-8-101"}


class StubBackend:
    """The command as a process, on a free port."""

    def __init__(self, *options):
        """Start it with *options*, and return when it listens."""
        command = [sys.executable, "-m", "exporter", "stub-backend", "--port", "0"]
        self.process = subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.greeting = self.process.stderr.readline()
        self.url = re.search(r"http://[\d.]+:\d+", self.greeting)[0]

    def shown(self):
        """Return the next event that it prints, as soon as it does."""
        return json.loads(self.process.stdout.readline())

    def stop(self, number=signal.SIGTERM):
        """Stop it; return the rest of stdout and stderr."""
        self.process.send_signal(number)
        return self.process.communicate()


@pytest.fixture
def begin():
    """Return a function that starts a stub backend for this test."""
    with ExitStack() as stack:

        def start(*options):
            stub = StubBackend(*options)
            stack.enter_context(stub.process)
            stack.callback(stub.process.kill)
            return stub

        yield start


@pytest.fixture
def post(client):
    """Return a function that posts a batch and returns status and answer."""

    async def send(url, body, **headers):
        kind = {"json": body} if isinstance(body, dict) else {"data": body}
        async with client.post(url, headers=headers, **kind) as answer:
            return answer.status, await answer.text()

    return send


async def test_with_the_exporter(begin, launch, client):
    """A record of the broker is on the stub's stdout a moment later, with its id."""
    stub = begin()
    exporter = launch(URL=f"{stub.url}/any/path")
    await exporter.run()

    assert await send(client, exporter.ingest_url, tasks(1)) == 200
    shown = stub.shown()

    assert shown["id"].startswith("1-1-")
    assert shown["event"]["intent"] == "CREATED"


async def test_each_event_is_a_line(begin, post):
    """An event is one line, flushed at once, with its id in the header."""
    stub = begin()

    assert await post(stub.url, BATCH, **IDS) == (200, "")

    first, second = BATCH["events"]
    assert stub.shown() == {"id": "1-7-100", "event": first}
    assert stub.shown() == {"id": "1-8-101", "event": second}


async def test_by_hand(begin, post):
    """A batch may have no ids, as with `curl`, or no events."""
    stub = begin("--status", "204")

    assert await post(stub.url, {"events": []}) == (204, "")
    assert await post(stub.url, {"events": [1]}) == (204, "")

    assert stub.shown() == {"id": None, "event": 1}


async def test_cloud_events(begin, post):
    """A batch of CloudEvents is a list, and is printed event by event."""
    stub = begin()

    assert await post(stub.url, '[{"id":"1-1-1"}]') == (200, "")

    assert stub.shown() == {"id": None, "event": {"id": "1-1-1"}}


async def test_health(begin, client):
    """GET / answers 200, whatever the answer to batches."""
    stub = begin("--status", "500")

    async with client.get(stub.url) as answer:
        assert answer.status == 200


async def test_in_trouble(begin, post):
    """Refused events aren't printed, and a line on stderr says so."""
    stub = begin("--status", "503")

    assert await post(stub.url, BATCH, **IDS) == (503, "")

    out, err = stub.stop()
    assert "answers 503" in stub.greeting
    assert out == ""
    assert err == "stub-backend: answered 503, and printed none of 2 events\n"


NO_BATCHES = [
    ("{", "the body isn't JSON"),
    ("\xff".encode("latin-1"), "the body isn't JSON"),
    ("7", 'the body is neither {"events": [...]} nor a list'),
    ({"events": {}}, 'the body is neither {"events": [...]} nor a list'),
    ({"events": []}, "0 events, but 2 ids in X-Event-Ids"),
]


async def test_no_batch(begin, post):
    """A body that isn't a batch gets 400; the answer and stderr have the reason."""
    stub = begin()

    for body, reason in NO_BATCHES:
        assert await post(stub.url, body, **IDS) == (400, f"{reason}\n")

    told = [f"stub-backend: answered 400: {reason}\n" for _, reason in NO_BATCHES]
    assert stub.stop() == ("", "".join(told))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop(begin, number):
    """The command stops on a signal, without a message."""
    stub = begin()

    assert stub.stop(number) == ("", "")
    assert stub.process.returncode == 0


async def test_nobody_reads(begin, post):
    """The command ends without an error when stdout is closed, as by `| head`."""
    stub = begin()
    stub.process.stdout.close()

    status, _ = await post(stub.url, BATCH, **IDS)

    assert status == 503
    assert stub.process.wait() == 0
    assert stub.process.stderr.read() == ""


def test_a_taken_port(capsys):
    """A port in use is an error that names the option."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert cli.main(["stub-backend", "--port", port]) == 1

    said = capsys.readouterr().err
    assert "Address already in use" in said
    assert said.endswith("or set --port\n")


@pytest.mark.parametrize(
    "option",
    [
        ("--port", "65536"),
        ("--port", "http"),
        ("--host", "a b"),
        ("--status", "199"),
        ("--status", "²"),
    ],
)
def test_options_that_mean_nothing(capsys, option):
    """A wrong option is refused, with the rule."""
    with pytest.raises(SystemExit) as left:
        cli.main(["stub-backend", *option])

    assert left.value.code == 2
    assert f"argument {option[0]}: must be " in capsys.readouterr().err
