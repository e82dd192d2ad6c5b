"""Invalid REST requests get an error message and change nothing."""

import aiohttp
import pytest

from devkit.broker import Broker
from devkit.client import Client
from devkit.stories import RECORDINGS, recording

FILES = recording(RECORDINGS / "8.9.0").deployments["fx-ext"]
LIST = b'{"processDefinitionId":"fx-ext","variables":["a"]}'
CREATE, TASK = "process-instances", "user-tasks/{task}"


@pytest.fixture
async def broker():
    """Return a broker with a deployed process."""
    async with Broker("8.9.0") as broker, Client(broker.rest_url) as client:
        await client.deploy(FILES)
        yield broker


@pytest.mark.parametrize(
    "method, path, body, sentence",
    [
        ("POST", CREATE, b"{", "isn't JSON"),
        ("POST", CREATE, b"\xff\xfe", "isn't JSON"),
        ("POST", CREATE, b"[" * 100_000, "isn't JSON"),
        ("POST", CREATE, b'{"processDefinitionId":"fx-ext","x":NaN}', "isn't JSON"),
        ("POST", CREATE, b'{"processDefinitionId":"\\ud800"}', "isn't JSON"),
        ("POST", CREATE, b"[]", "isn't an object"),
        ("POST", CREATE, b"", "processDefinitionId is missing"),
        ("POST", CREATE, LIST, "has no such 'create'"),
        ("POST", "user-tasks/-1/completion", b"{}", "'-1' isn't a key"),
        ("PATCH", "user-tasks/" + 5000 * "9", b'{"changeset":{}}', "isn't a key"),
        ("POST", f"{TASK}/assignment", b"{}", "assignee is missing"),
        ("POST", f"{TASK}/assignment", b'{"assignee":null}', "assignee is missing"),
        ("PATCH", TASK, b"{}", "changeset is missing"),
        ("PATCH", TASK, b'{"changeset":{"nope":1}}', "A user task only has"),
        ("POST", "jobs/activation", b'{"type":"x"}', "ToActivate, timeout is missing"),
        ("POST", "signals/broadcast", b"{}", "signalName is missing"),
    ],
)
async def test_nonsense(broker, method, path, body, sentence):
    """The request gets status 400 with the reason, and nothing is played."""
    async with Client(broker.rest_url) as client:
        started = await client.create_instance("fx-ext")
    key = int(started["processInstanceKey"])
    (task,) = broker.partition(1).instances[key].tasks
    before = len(broker.engine.journal)

    url = f"{broker.rest_url}/v2/{path.format(task=task)}"
    async with aiohttp.request(method, url, data=body) as answer:
        assert answer.status == 400
        assert sentence in (await answer.json())["detail"]
    assert len(broker.engine.journal) == before


async def test_a_form_without_an_end(broker):
    """An unreadable deployment is refused."""
    headers = {"Content-Type": "multipart/form-data; boundary=a"}
    url = f"{broker.rest_url}/v2/deployments"

    async with aiohttp.request("POST", url, data=b"x", headers=headers) as answer:
        assert answer.status == 400
        assert "isn't a form" in (await answer.json())["detail"]
