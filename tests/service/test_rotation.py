"""A credential that changes in its file is used from then on, without a restart."""

import base64

import pytest

from devkit.waiting import eventually
from exporter.delivery import empty
from tests.records import tasks


@pytest.fixture
def key(tmp_path):
    """Return the file with the API key, and the settings that name it."""
    file = tmp_path / "key"
    file.write_text("first\n", encoding="utf-8")
    return file, {"api_key": "first", "files": {"api_key": file}}


async def test_a_key_that_was_wrong(start, backend, key, monkeypatch):
    """An event blocked by a wrong key is delivered as soon as the key is right."""
    monkeypatch.setattr("exporter.delivery.breaker.FIRST_SECONDS", 1000.0)
    monkeypatch.setattr("exporter.delivery.breaker.LONGEST_SECONDS", 1000.0)
    monkeypatch.setattr("random.uniform", lambda _, longest: longest)
    file, named = key
    backend.answer = lambda post: 200 if post.headers["X-Api-Key"] == "right" else 401
    exporter = await start(**named)
    await exporter.bulk(tasks(1))
    await eventually(lambda: exporter.lines.saying("batch not delivered"))

    file.write_text("right\n", encoding="utf-8")
    await eventually(lambda: backend.positions == [1])

    keys = [post.headers["X-Api-Key"] for post in backend.requests]
    assert (keys[0], keys[-1]) == ("first", "right")


async def test_new_credentials_are_noticed_once(connect, key):
    """A backend reports new credentials once, also after a request with them."""
    file, named = key
    async with connect(**named) as backend:
        await backend.post(empty())
        before = backend.credentials_changed()
        file.write_text("second", encoding="utf-8")
        await backend.post(empty())
        after = [backend.credentials_changed() for _ in range(2)]

    assert before is False
    assert after == [True, False]


async def test_the_password_of_ingest(start, tmp_path):
    """The broker's password can change while the service runs."""
    file = tmp_path / "password"
    file.write_text("old", encoding="utf-8")
    exporter = await start(
        ingest_username="broker", ingest_password="old", files={"ingest_password": file}
    )

    async def statuses():
        for password in ("old", "new"):
            user = base64.b64encode(f"broker:{password}".encode()).decode()
            headers = {"Authorization": f"Basic {user}"}
            yield (await exporter.ask("GET", "/", headers=headers)).status

    before = [status async for status in statuses()]
    file.write_text("new\n", encoding="utf-8")
    after = [status async for status in statuses()]

    assert (before, after) == ([200, 401], [401, 200])
