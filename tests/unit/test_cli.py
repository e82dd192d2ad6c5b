"""The command line says what it does, and its exit status says how it went."""

import json
import socket
import subprocess
import sys
from unittest.mock import Mock

import pytest

from exporter import __version__, cli
from exporter.base.errors import ConfigError


@pytest.fixture
def url(monkeypatch, tmp_path):
    """Give every command what it needs: a URL, and a spool of its own."""
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
    """A command line that means nothing ends with status 2 and the usage."""
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
    """What is in effect is printed for people and machines, without secrets."""
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
    """A configuration that can't be used is told in words, with status 2."""
    assert cli.main([command]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("app-integrations-exporter: The configuration can't be used")
    assert "APP_INTEGRATIONS_URL is not set" in err


@pytest.mark.usefixtures("url")
def test_run_says_what_is_in_the_way(monkeypatch, capsys):
    """A port that is taken is a sentence; what is only unwise is a warning."""
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
    """The service says when it is ready, and ends with status 0 on SIGTERM."""
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

    assert cli.loop_factory() is None


def test_what_nobody_expected_is_whole(monkeypatch):
    """A mistake of ours keeps its traceback, also among errors that are expected."""
    mixed = ExceptionGroup("both", [ConfigError("a", remedy="b"), KeyError("ours")])
    monkeypatch.setattr(cli.settings, "load", Mock(side_effect=mixed))

    with pytest.raises(ExceptionGroup):
        cli.main(["config"])


@pytest.mark.usefixtures("url")
def test_a_reader_that_has_had_enough():
    """`config | head -1` ends like other commands: without a word, and by SIGPIPE."""
    with subprocess.Popen(
        [sys.executable, "-m", "exporter", "config"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as command:
        command.stdout.close()  # before anything was written

        assert command.wait(30) == 128 + 13
        assert command.stderr.read() == b""
