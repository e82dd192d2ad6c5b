"""The command line has help, and its exit status shows the result."""

import asyncio
import json
import socket
import subprocess
import sys
from unittest.mock import Mock

import pytest

from exporter import __version__, cli
from exporter.base.errors import ConfigError
from exporter.commands import run
from exporter.config import settings
from tests.unit.spools import a_spool


@pytest.fixture
def url(monkeypatch, tmp_path):
    """Set the URL, and a spool directory for this test."""
    monkeypatch.setenv("APP_INTEGRATIONS_URL", "http://127.0.0.1:9/events")
    monkeypatch.setenv("APP_INTEGRATIONS_SPOOL_DIR", str(tmp_path / "spool"))


def test_help_helps(capsys):
    """Help names every command, examples, the exit statuses and the docs."""
    with pytest.raises(SystemExit) as left:
        cli.main(["--help"])

    said = capsys.readouterr().out
    assert left.value.code == 0
    for needed in (
        "run ",
        "check ",
        "config ",
        "status ",
        "broker-environment",
        "uninstall ",
        "dead-letters",
        "backends ",
        "stub-backend ",
        "examples:",
        "exit status:",
        "docs/",
    ):
        assert needed in said
    assert "exit status:" in said


@pytest.mark.parametrize("argv", [[], ["deploy"], ["run", "--json"]])
def test_wrong_usage(argv, capsys):
    """A wrong command line ends with status 2 and the usage."""
    with pytest.raises(SystemExit) as left:
        cli.main(argv)

    assert left.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_version_of_the_module():
    """`python -m exporter` is the same command."""
    done = subprocess.run(
        [sys.executable, "-m", "exporter", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == f"app-integrations-exporter {__version__}\n"


@pytest.mark.usefixtures("url")
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
def test_mistakes_are_no_traceback(command, capsys):
    """A wrong configuration is a sentence, with status 2."""
    assert cli.main([command]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("app-integrations-exporter: The configuration can't be used")
    assert "APP_INTEGRATIONS_URL is not set" in err


@pytest.mark.usefixtures("url")
def test_run_says_what_is_in_the_way(monkeypatch, capsys):
    """A port in use is an error; an unwise setting is a warning."""
    monkeypatch.setenv("APP_INTEGRATIONS_INGEST_PROT", "1")
    monkeypatch.setenv("APP_INTEGRATIONS_URL", "http://backend.invalid/events")
    monkeypatch.setenv("APP_INTEGRATIONS_API_KEY", "hunter2")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("APP_INTEGRATIONS_INGEST_PORT", str(port))
        monkeypatch.setenv("APP_INTEGRATIONS_ADMIN_PORT", "0")

        assert cli.main(["run"]) == 1

    *log, error = capsys.readouterr().err.splitlines()
    assert "did you mean APP_INTEGRATIONS_INGEST_PORT?" in log[0]
    assert "The API key" in log[1]
    assert "Use an https:// address in APP_INTEGRATIONS_URL" in log[1]
    assert "hunter2" not in str(log)
    assert error.startswith("app-integrations-exporter: Can't listen on 127.0.0.1:")


@pytest.mark.usefixtures("url")
def test_run_until_asked_to_stop(monkeypatch):
    """The service logs when it is ready, and ends with status 0 on SIGTERM."""
    monkeypatch.setenv("APP_INTEGRATIONS_INGEST_PORT", "0")
    monkeypatch.setenv("APP_INTEGRATIONS_ADMIN_PORT", "0")

    command = [sys.executable, "-m", "exporter", "run"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        ready = json.loads(running.stderr.readline())
        running.terminate()
        _, after = running.communicate()

    assert ready["message"] == "ready"
    assert "stopped" in after
    assert running.returncode == 0


def test_run_without_uvloop(monkeypatch):
    """Where uvloop doesn't exist, the loop of the standard library serves."""
    monkeypatch.setitem(sys.modules, "uvloop", None)

    assert run.loop_factory() is None


def test_what_nobody_expected_is_whole(monkeypatch):
    """A bug keeps its traceback, even among expected errors."""
    mixed = ExceptionGroup("both", [ConfigError("a", remedy="b"), KeyError("ours")])
    monkeypatch.setattr(settings, "load", Mock(side_effect=mixed))

    with pytest.raises(ExceptionGroup):
        cli.main(["config"])


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize(
    "argv", [["config"], ["status"], ["backends"], ["dead-letters", "list", "--json"]]
)
def test_a_reader_that_has_had_enough(tmp_path, argv):
    """`... | head -1` prints no error, and ends with the status of SIGPIPE."""

    async def create():
        async with a_spool(tmp_path / "spool"):
            pass

    (tmp_path / "spool").mkdir()
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
