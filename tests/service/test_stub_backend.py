"""`stub-backend` prints the events it gets."""

import asyncio
import json
import re
import signal
import subprocess
import sys

import pytest

from devkit.waiting import eventually
from exporter import cli
from exporter.commands import stub_backend
from tests.records import tasks

BATCH = {"events": [{"intent": "CREATED"}, {"intent": "ASSIGNED", "assignee": "Zoë"}]}
IDS = {"X-Event-Ids": "1-7-100,1-8-101"}


class Running:
    """The command in this process, on a free port."""

    def __init__(self, capsys, client):
        """Read what is printed from *capsys*, and send requests with *client*."""
        self._capsys, self._client = capsys, client
        self.out = self.err = ""

    def read(self):
        """Return everything that was printed so far."""
        more = self._capsys.readouterr()
        self.out += more.out
        self.err += more.err
        return self.out

    @property
    def url(self):
        """Where it listens, once it does."""
        self.read()
        found = re.search(r"http://[\d.]+:\d+", self.err)
        return found and found[0]

    async def post(self, body, **headers):
        """Post *body* to any path; return status and answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self._client.post(
            f"{self.url}/any/path", data=data, headers=headers
        ) as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def stub(request, capsys, client):
    """Run the command with the status of the test, 200 by default."""
    status = getattr(request, "param", 200)
    stub = Running(capsys, client)
    task = asyncio.create_task(stub_backend.serve("127.0.0.1", 0, status))
    await eventually(lambda: stub.url)
    yield stub
    signal.raise_signal(signal.SIGTERM)
    await task


@pytest.mark.parametrize(
    "body, ids, shown",
    [
        (BATCH, IDS, list(zip(["1-7-100", "1-8-101"], BATCH["events"], strict=True))),
        ({"events": [1]}, {}, [(None, 1)]),
        ({"events": []}, {}, []),
        ([{"id": "1-1-1"}], {}, [(None, {"id": "1-1-1"})]),
        ({"specversion": "1.0"}, {}, [(None, {"specversion": "1.0"})]),
    ],
)
@pytest.mark.parametrize("stub", [200, 204], indirect=True)
async def test_batches(stub, body, ids, shown):
    """Each event is a line in ASCII, with its id in the header if there is one."""
    assert (await stub.post(body, **ids))[0] in (200, 204)

    lines = stub.read().splitlines()
    assert [tuple(json.loads(line).values()) for line in lines] == shown
    assert stub.out.isascii()


@pytest.mark.parametrize("stub", [503], indirect=True)
async def test_in_trouble(stub, client):
    """Refused events aren't printed, a line on stderr says why, and GET works."""
    assert await stub.post(BATCH, **IDS) == (503, "")
    async with client.get(stub.url) as answer:
        assert answer.status == 200

    assert stub.read() == ""
    assert "answers 503" in stub.err
    assert "answered 503, and printed none of 2 events" in stub.err


@pytest.mark.parametrize(
    "body, why",
    [
        (b"{", "isn't JSON"),
        (b"\xff", "isn't JSON"),
        (7, "neither"),
        ({"events": {}}, "neither"),
    ],
)
async def test_no_batch(stub, body, why):
    """A body that isn't a batch gets 400; the answer and stderr have the reason."""
    status, text = await stub.post(body)

    assert (status, stub.read()) == (400, "")
    assert why in text
    assert why in stub.err


@pytest.mark.parametrize(
    "option",
    ["--port=65536", "--port=http", "--host=a b", "--status=199", "--status=²"],
)
def test_wrong_options(capsys, option):
    """A wrong option is refused, with the rule."""
    with pytest.raises(SystemExit) as left:
        cli.main(["stub-backend", option])

    assert left.value.code == 2
    assert f"argument {option.split('=')[0]}: must be " in capsys.readouterr().err


@pytest.mark.slow
async def test_with_the_exporter(start, client):
    """Events of the exporter are printed at once; without a reader the command ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", "stub-backend", "--port", "0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    greeting = (await process.stderr.readline()).decode()
    url = re.search(r"http://[\d.]+:\d+", greeting)[0]
    exporter = await start(url=f"{url}/any/path")
    await exporter.bulk(tasks(1))
    shown = json.loads(await process.stdout.readline())

    process._transport.get_pipe_transport(1).close()
    async with client.post(url, json=BATCH) as answer:
        assert answer.status == 503
    _, said = await process.communicate()

    assert shown["id"].startswith("1-1-")
    assert shown["event"]["intent"] == "CREATED"
    assert (process.returncode, said) == (0, b"")
