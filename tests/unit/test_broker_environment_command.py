"""`broker-environment` prints the variables for a broker."""

import json

import pytest

from exporter import cli

BROKER = "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_"


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs the command, with settings."""

    def command(*argv, **settings):
        monkeypatch.setenv("APP_INTEGRATIONS_URL", "http://127.0.0.1:9/events")
        for name, value in settings.items():
            monkeypatch.setenv(f"APP_INTEGRATIONS_{name}", value)
        status = cli.main(["broker-environment", *argv])
        return status, *capsys.readouterr()

    return command


def test_lines_for_a_file(run):
    """Each line is a variable in the format of shells, systemd and Docker."""
    status, out, err = run("8.8.1")

    lines = dict(line.split("=") for line in out.splitlines())
    assert (status, err) == (0, "")
    assert lines[f"{BROKER}ARGS_URL"] == "http://127.0.0.1:9280"
    assert lines[f"{BROKER}ARGS_INDEX_USERTASK"] == "true"
    assert lines[f"{BROKER}ARGS_INDEX_JOB"] == "false"


def test_what_is_selected(run):
    """The broker exports what any backend selects."""
    _, out, _ = run(
        "8.8.1",
        "--json",
        BACKENDS="teams,audit",
        BACKEND_TEAMS_URL="http://127.0.0.1:9/",
        BACKEND_AUDIT_URL="http://127.0.0.1:9/",
        BACKEND_TEAMS_EVENTS="job:failed",
        BACKEND_AUDIT_EVENTS="incident, timer",
        URL="",
    )

    told = json.loads(out)
    flags = {name: told[f"{BROKER}ARGS_INDEX_{name}"] for name in ("JOB", "INCIDENT")}
    assert flags == {"JOB": "true", "INCIDENT": "true"}
    assert told[f"{BROKER}ARGS_INDEX_USERTASK"] == "false"
    assert told[f"{BROKER}ARGS_INCLUDEENABLEDRECORDS"] == "true"


def test_the_password_is_not_shown(run):
    """The user is shown, and stderr explains where the password belongs."""
    _, out, err = run(
        "8.6.0",
        "--ingest-url=http://exporter:9280",
        INGEST_USERNAME="broker",
        INGEST_PASSWORD="hunter2",
    )

    assert "APPINTSPOOL_ARGS_URL=http://exporter:9280\n" in out
    assert "AUTHENTICATION_USERNAME=broker\n" in out
    assert "hunter2" not in out + err
    assert err.startswith("Not shown: ")
    assert "ZEEBE_BROKER_EXPORTERS_APPINTSPOOL_ARGS_AUTHENTICATION_PASSWORD" in err
    assert "APP_INTEGRATIONS_INGEST_PASSWORD" in err


def test_another_name(run):
    """The id of the exporter can be chosen."""
    _, out, _ = run("8.6.0", "--id=mine")

    assert "ZEEBE_BROKER_EXPORTERS_MINE_ARGS_BULK_SIZE=1\n" in out


def test_physical_tenants(run):
    """Every tenant exports to us, and stderr mentions other exporters."""
    _, out, err = run("8.10.0", "--physical-tenants", "red, blue")

    for name in ("DEFAULT", "RED", "BLUE"):
        line = f"CAMUNDA_PHYSICALTENANTS_{name}_DATA_EXPORTERSASSIGNED=appintspool\n"
        assert line in out
    assert "_RED_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_PREFIX=zeebe-record-red\n" in out
    assert "list them with appintspool in its DATA_EXPORTERSASSIGNED" in err


def test_a_broker_elsewhere(run):
    """If the service listens for other machines, stderr mentions --ingest-url."""
    others = {"INGEST_USERNAME": "a", "INGEST_PASSWORD": "b", "INGEST_HOST": "10.0.0.1"}

    assert "--ingest-url" in run("8.6.0", **others)[2]
    assert "--ingest-url" not in run("8.6.0", "--ingest-url=http://a:1", **others)[2]


def test_a_password_in_the_address(run):
    """A password in the URL is refused, and not shown."""
    _, _, err = run("8.6.0", "--ingest-url=http://u:hunter2@a:1")

    assert "'...@a:1' holds more than scheme, host and port" in err
    assert "hunter2" not in err


@pytest.mark.parametrize(
    "argv, why",
    [
        (["8.4.0"], "has no user tasks to export"),
        (["latest"], "is not a version of the broker"),
        (["9" * 5000 + ".1"], "is not a version of the broker"),
        (["\u0668.\u0668"], "is not a version of the broker"),
        (["8.8.1", "--ingest-url=http://a:1/b"], "more than scheme, host and port"),
        (["8.8.1", "--ingest-url=http://a b:1"], "has no valid host and port"),
        (["8.8.1", "--ingest-url=http://a:0"], "has no valid host and port"),
        (["8.8.1", "--ingest-url=http://a:"], "has no valid host and port"),
        (["8.8.1", "--ingest-url=http://${A}:1"], "has no valid host and port"),
        (["8.9.0", "--physical-tenants=a"], "8.9.0 has no physical tenants"),
        (["8.10.0", "--physical-tenants=a-b"], "docs/broker.md"),
    ],
)
def test_mistakes(run, argv, why):
    """Arguments that no broker could use are an error, without any output."""
    status, out, err = run(*argv)

    assert (status, out) == (2, "")
    assert why in err
