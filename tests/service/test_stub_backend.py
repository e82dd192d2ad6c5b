"""Whoever tries the exporter without a backend has one that shows what it gets."""

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
    """The command as a process, on a port of its own."""

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
        """Ask it to stop; return what it wrote to stdout and stderr since."""
        self.process.send_signal(number)
        return self.process.communicate()


@pytest.fixture
def begin():
    """Return what starts a stub backend; it ends with the test."""
    with ExitStack() as stack:

        def start(*options):
            stub = StubBackend(*options)
            stack.enter_context(stub.process)
            stack.callback(stub.process.kill)
            return stub

        yield start


@pytest.fixture
def post(client):
    """Return what posts a batch, and returns the status and the text of the answer."""

    async def send(url, body, **headers):
        kind = {"json": body} if isinstance(body, dict) else {"data": body}
        async with client.post(url, headers=headers, **kind) as answer:
            return answer.status, await answer.text()

    return send


async def test_with_the_exporter(begin, launch, client):
    """What the broker sends is on the stub's stdout a moment later, with its id."""
    stub = begin()
    exporter = launch(URL=f"{stub.url}/any/path")
    await exporter.run()

    assert await send(client, exporter.ingest_url, tasks(1)) == 200
    shown = stub.shown()

    assert shown["id"].startswith("1-1-")
    assert shown["event"]["intent"] == "CREATED"


async def test_each_event_is_a_line(begin, post):
    """An event is one line, flushed at once, with the id that the header has for it."""
    stub = begin()

    assert await post(stub.url, BATCH, **IDS) == (200, "")

    first, second = BATCH["events"]
    assert stub.shown() == {"id": "1-7-100", "event": first}
    assert stub.shown() == {"id": "1-8-101", "event": second}


async def test_by_hand(begin, post):
    """A batch without ids, as `curl` sends it, or without events, is welcome, too."""
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
    """It says that it lives, whatever it answers to batches."""
    stub = begin("--status", "500")

    async with client.get(stub.url) as answer:
        assert answer.status == 200


async def test_in_trouble(begin, post):
    """What isn't taken isn't printed, and it says so."""
    stub = begin("--status", "503")

    assert await post(stub.url, BATCH, **IDS) == (503, "")

    out, err = stub.stop()
    assert "answers 503" in stub.greeting
    assert out == ""
    assert err == "stub-backend: answered 503, and printed none of 2 events\n"


NO_BATCHES = [
    ("{", "the body is no JSON"),
    ("\xff".encode("latin-1"), "the body is no JSON"),
    ("7", 'the body is neither {"events": [...]} nor a list'),
    ({"events": {}}, 'the body is neither {"events": [...]} nor a list'),
    ({"events": []}, "0 events, but 2 ids in X-Event-Ids"),
]


async def test_no_batch(begin, post):
    """What is no batch gets 400, and the sender and whoever watches get the reason."""
    stub = begin()

    for body, reason in NO_BATCHES:
        assert await post(stub.url, body, **IDS) == (400, f"{reason}\n")

    told = [f"stub-backend: answered 400: {reason}\n" for _, reason in NO_BATCHES]
    assert stub.stop() == ("", "".join(told))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop(begin, number):
    """Asked to stop it does, and has nothing to say about it."""
    stub = begin()

    assert stub.stop(number) == ("", "")
    assert stub.process.returncode == 0


async def test_nobody_reads(begin, post):
    """It ends without complaint when whoever read had enough, as behind `| head`."""
    stub = begin()
    stub.process.stdout.close()

    status, _ = await post(stub.url, BATCH, **IDS)

    assert status == 503
    assert stub.process.wait() == 0
    assert stub.process.stderr.read() == ""


def test_a_taken_port(capsys):
    """A port that is taken is told in a sentence that names the option."""
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
    """An option that can't be used is refused with what it must be."""
    with pytest.raises(SystemExit) as left:
        cli.main(["stub-backend", *option])

    assert left.value.code == 2
    assert f"argument {option[0]}: must be " in capsys.readouterr().err
