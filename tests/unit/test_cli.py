"""The command line has help, and its exit status shows the result."""

import asyncio
import json
import re
import socket
import subprocess
import sys
from unittest.mock import Mock

import pytest

from exporter import __version__, cli
from exporter.base.errors import ConfigError, ExporterError
from exporter.commands import run
from exporter.config import settings
from tests.unit.spools import a_spool


@pytest.fixture
def spool_dir(monkeypatch, tmp_path):
    """Set the URL, and return an empty spool's directory."""
    monkeypatch.setenv("APP_INTEGRATIONS_URL", "http://127.0.0.1:9/events")
    monkeypatch.setenv("APP_INTEGRATIONS_SPOOL_DIR", str(tmp_path))
    return tmp_path


def test_help(capsys):
    """Help names every command, examples, the exit statuses and the docs."""
    with pytest.raises(SystemExit) as left:
        cli.main(["--help"])

    said = capsys.readouterr().out
    assert left.value.code == 0
    commands = ["run", "check", "config", "status", "broker-environment", "uninstall"]
    commands += ["enable", "dead-letters", "drop-backend", "stub-backend"]
    assert re.findall(r"^    ([a-z-]+)", said, re.MULTILINE) == commands
    for needed in ("examples:", "exit status:", "docs/"):
        assert needed in said


@pytest.mark.parametrize("argv", [[], ["deploy"], ["run", "--json"]])
def test_wrong_usage(argv, capsys):
    """A wrong command line ends with status 2 and the usage."""
    with pytest.raises(SystemExit) as left:
        cli.main(argv)

    assert left.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.usefixtures("spool_dir")
def test_config_hides_secrets(monkeypatch, capsys):
    """The settings are printed for people and machines, without secrets."""
    monkeypatch.setenv("APP_INTEGRATIONS_API_KEY", "hunter2")

    assert cli.main(["config"]) == 0
    for_people = capsys.readouterr().out
    assert cli.main(["config", "--json"]) == 0
    for_machines = capsys.readouterr().out

    assert "hunter2" not in for_people + for_machines
    lines = [line.split() for line in for_people.splitlines()]
    assert ["APP_INTEGRATIONS_CLUSTER_ID", "(none)"] in lines
    effective = json.loads(for_machines)
    assert effective["APP_INTEGRATIONS_API_KEY"] == "(hidden)"
    assert effective["APP_INTEGRATIONS_BATCH_SIZE"] == 50


@pytest.mark.parametrize("command", ["run", "config"])
def test_mistakes(command, monkeypatch, capsys):
    """A wrong configuration is a list of visible sentences, with status 2."""
    monkeypatch.setenv("APP_INTEGRATIONS_CLUSTER_ID", "\x1b")

    assert cli.main([command]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("app-integrations-exporter: The configuration can't be used")
    assert "APP_INTEGRATIONS_URL is not set" in err
    assert len(err.splitlines()) > 2
    assert "\x1b" not in err


@pytest.mark.usefixtures("spool_dir")
def test_run_warns_and_fails(monkeypatch, capsys):
    """A port in use is an error; an unwise or a foreign setting is a warning."""
    monkeypatch.setenv("APP_INTEGRATIONS_INGEST_PROT", "1")
    monkeypatch.setenv("APP_INTEGRATIONS_MAX_RETRIES", "1")
    monkeypatch.setenv("APP_INTEGRATIONS_BASE_URL", "https://connector.example")
    monkeypatch.setenv("APP_INTEGRATIONS_URL", "http://backend.invalid/events")
    monkeypatch.setenv("APP_INTEGRATIONS_API_KEY", "hunter2")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("APP_INTEGRATIONS_INGEST_PORT", str(port))
        monkeypatch.setenv("APP_INTEGRATIONS_ADMIN_PORT", "0")

        assert cli.main(["run"]) == 1

    lines = capsys.readouterr().err.splitlines()
    unknown, ignored, shared, exposed, *_, error = lines
    assert "did you mean APP_INTEGRATIONS_INGEST_PORT?" in unknown
    assert "APP_INTEGRATIONS_MAX_RETRIES" in ignored
    assert "the connector's settings are here" in shared
    assert "both read APP_INTEGRATIONS_API_KEY" in shared
    assert "The API key" in exposed
    assert "Use an https:// address in APP_INTEGRATIONS_URL" in exposed
    assert "hunter2" not in exposed
    assert error.startswith("app-integrations-exporter: Can't listen on 127.0.0.1:")


def test_run_without_uvloop(monkeypatch):
    """Where uvloop doesn't exist, the loop of the standard library serves."""
    monkeypatch.setitem(sys.modules, "uvloop", None)

    assert run.loop_factory() is None


def test_bugs_keep_their_traceback(monkeypatch):
    """A bug keeps its traceback, even among expected errors."""
    mixed = ExceptionGroup("both", [ConfigError("a", remedy="b"), KeyError("ours")])
    monkeypatch.setattr(settings, "load", Mock(side_effect=mixed))

    with pytest.raises(ExceptionGroup):
        cli.main(["config"])


def test_several_errors(monkeypatch, capsys):
    """Errors of parallel tasks are printed one by one; the highest status counts."""
    inner = ExceptionGroup("inner", [ExporterError("a", remedy="b")])
    both = ExceptionGroup("both", [ConfigError("c", remedy="d"), inner])
    monkeypatch.setattr(settings, "load", Mock(side_effect=both))

    assert cli.main(["config"]) == 2
    assert capsys.readouterr().err.count("app-integrations-exporter: ") == 2


@pytest.mark.slow
@pytest.mark.parametrize("argv", [["config"], ["status"]])
def test_a_reader_that_ends(spool_dir, argv):
    """`... | head -1` prints no error, and ends with the status of SIGPIPE."""

    async def create():
        async with a_spool(spool_dir):
            pass

    asyncio.run(create())
    # Without a buffer the first line fails, while the command holds the spool.
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "exporter", *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as command:
        command.stdout.close()  # before anything was written

        assert command.wait(30) == 128 + 13
        assert command.stderr.read() == b""


@pytest.mark.slow
def test_version_of_the_module():
    """`python -m exporter` is the same command."""
    command = [sys.executable, "-m", "exporter", "--version"]
    shown = subprocess.check_output(command, text=True)

    assert shown == f"app-integrations-exporter {__version__}\n"
