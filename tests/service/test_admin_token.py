"""Metrics and health are open; whatever shows or changes events needs the token."""

import stat

import pytest

from exporter.admin import guard
from tests.conftest import careless


def token_of(settings):
    """Return the token that the service wrote."""
    return (settings().spool_dir / guard.FILE).read_text().strip()


async def test_the_token(start, settings):
    """Every start writes a new one, which only the service's own user can read."""
    with careless():
        exporter = await start()
    first = token_of(settings)
    mode = (settings().spool_dir / guard.FILE).stat().st_mode
    await exporter.stop()
    exporter = await start()

    assert stat.S_IMODE(mode) == 0o600
    assert len(first) >= 43
    assert token_of(settings) != first
    assert (await exporter.demand("GET", "/dead-letters", first)).status == 401
    letters = await exporter.demand("GET", "/dead-letters", token_of(settings))
    assert letters.json == {"dead_letters": [], "next": None}
    assert [p.name for p in settings().spool_dir.glob("admin*")] == [guard.FILE]


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Bearer ä"])
async def test_without_the_token(start, client, authorization):
    """Without the right token nothing is shown or done, and the answer says why."""
    exporter = await start()
    headers = {"Authorization": authorization}

    for method, path in (
        ("GET", "/dead-letters"),
        ("POST", "/dead-letters/retry"),
        ("POST", "/dead-letters/drop"),
        ("GET", "/nothing-here"),
        ("POST", "/metrics/"),
    ):
        url = f"http://{exporter.admin}{path}"
        async with client.request(method, url, headers=headers, json={}) as response:
            assert response.status == 401
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert "admin.token" in (await response.json())["error"]


async def test_a_token_of_another_kind(start, settings, client):
    """The token is no password: a browser that was asked for one is not let in."""
    exporter = await start()
    headers = {"Authorization": f"Basic {token_of(settings)}"}

    url = f"http://{exporter.admin}/dead-letters"
    async with client.get(url, headers=headers) as response:
        assert response.status == 401


async def test_what_is_open(start):
    """Probes and scrapes need nothing."""
    exporter = await start()

    for path in ("/metrics", "/healthz", "/readyz"):
        assert (await exporter.look(path)).status == 200


async def test_what_is_not_served(start, settings):
    """With the token, what doesn't exist is told in the same form."""
    exporter = await start()

    absent = await exporter.demand("GET", "/nothing", token_of(settings))
    wrong = await exporter.demand("GET", "/dead-letters/drop", token_of(settings))

    assert absent.status == 404
    assert absent.json["error"].startswith("GET /nothing isn't served here")
    assert (wrong.status, wrong.headers["Allow"]) == (405, "POST")


async def test_a_token_that_can_not_be_written(start, settings):
    """Events go out all the same; only the commands can't reach the service."""
    (settings().spool_dir / guard.FILE / "in the way").mkdir(parents=True)

    exporter = await start()

    (line,) = exporter.lines.saying(
        "admin token not written: commands can't reach this service"
    )
    assert line.file == str(settings().spool_dir / guard.FILE)
    assert (await exporter.look("/readyz")).status == 200
