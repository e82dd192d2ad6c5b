"""Metrics and health are open; everything else needs the token."""

import stat

import pytest

from devkit.processes import free_port
from exporter.admin import guard
from exporter.commands.client import admin_port
from tests.conftest import careless


async def test_the_token(start, settings, token):
    """Every start writes a new one, which only the service's own user can read."""
    with careless():
        exporter = await start()
    first = token()
    mode = (settings().spool_dir / guard.FILE).stat().st_mode
    await exporter.stop()
    (settings().spool_dir / f"{guard.FILE}.new").touch()  # left by a kill
    exporter = await start()

    assert stat.S_IMODE(mode) == 0o600
    assert len(first) >= 43
    assert token() != first
    assert (await exporter.demand("GET", "/dead-letters", first)).status == 401
    assert (await exporter.demand("GET", "/dead-letters", token())).status == 200
    assert [p.name for p in settings().spool_dir.glob("admin*")] == [guard.FILE]


async def test_a_restart_during_a_command(start, settings):
    """A command that takes long uses the token of the service that runs now."""
    port = free_port()
    exporter = await start(admin_port=port)

    async with admin_port(settings(admin_port=port)) as asked:
        before = await asked.get("/status")
        await exporter.stop()
        await start(admin_port=port)
        after = await asked.get("/status")

    assert (before["ok"], after["ok"]) == (True, True)


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer wrong", "Bearer ä", "Basic {}"]
)
async def test_without_the_token(start, client, token, authorization):
    """Without the token as a bearer, only probes and scrapes are answered."""
    exporter = await start()
    headers = {"Authorization": authorization.format(token())}

    for method, path in (
        ("GET", "/status"),
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
    for path in ("/metrics", "/healthz", "/readyz"):
        assert (await exporter.look(path, headers=headers)).status == 200


async def test_what_is_not_served(start, token):
    """With the token, an error of the path or the method has the usual form."""
    exporter = await start()

    absent = await exporter.demand("GET", "/nothing", token())
    wrong = await exporter.demand("GET", "/dead-letters/drop", token())

    assert absent.status == 404
    assert absent.json["error"].startswith("GET /nothing isn't served here")
    assert (wrong.status, wrong.headers["Allow"]) == (405, "POST")


async def test_a_token_that_can_not_be_written(start, settings):
    """Without a token file only the commands can't reach the service."""
    file = settings().spool_dir / guard.FILE
    (file / "in the way").mkdir(parents=True)

    exporter = await start()

    (line,) = (x for x in exporter.lines.records if "token" in x.getMessage())
    assert (line.levelname, line.file) == ("WARNING", str(file))
    assert (await exporter.look("/readyz")).status == 200
