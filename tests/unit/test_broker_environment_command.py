"""`broker-environment` prints the variables for a broker."""

import json

import pytest

from exporter import cli

BROKER = "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_"


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs the command, with settings."""

    def command(*argv, **settings):
        for name, value in ({"URL": "http://127.0.0.1:9/events"} | settings).items():
            monkeypatch.setenv(f"APP_INTEGRATIONS_{name}", value)
        status = cli.main(["broker-environment", *argv])
        return status, *capsys.readouterr()

    return command


def test_lines_for_a_file(run):
    """Each line is a variable in the format of shells, systemd and Docker."""
    status, out, err = run("8.8.1", "--id=mine")

    lines = dict(line.split("=") for line in out.splitlines())
    assert (status, err) == (0, "")
    prefix = BROKER.replace("APPINTSPOOL", "MINE")
    assert lines[f"{prefix}URL"] == "http://127.0.0.1:9280"
    assert lines[f"{prefix}INDEX_USERTASK"] == "true"


def test_what_is_selected(run):
    """The broker exports what any backend selects."""
    url = "http://127.0.0.1:9/"
    _, out, _ = run(
        *("8.8.1", "--json"),
        BACKENDS="teams,audit",
        BACKEND_TEAMS_URL=url,
        BACKEND_AUDIT_URL=url,
        BACKEND_TEAMS_EVENTS="job:failed",
        BACKEND_AUDIT_EVENTS="incident, timer",
        URL="",
    )

    found = json.loads(out)
    on = {name for name in found if "INDEX_" in name and found[name] == "true"}
    assert on == {f"{BROKER}INDEX_{each}" for each in ("JOB", "INCIDENT", "TIMER")}
    assert found[f"{BROKER}INCLUDEENABLEDRECORDS"] == "true"


def test_password(run):
    """The user is shown, and stderr explains where the password belongs."""
    _, out, err = run(
        *("8.8.1", "--ingest-url=http://exporter:9280"),
        INGEST_USERNAME="broker",
        INGEST_PASSWORD="hunter2",
    )

    assert f"{BROKER}URL=http://exporter:9280\n" in out
    assert f"{BROKER}AUTHENTICATION_USERNAME=broker\n" in out
    assert "hunter2" not in out + err
    assert f"set {BROKER}AUTHENTICATION_PASSWORD to the value of" in err


def test_physical_tenants(run):
    """Every tenant exports to us, and stderr mentions other exporters."""
    _, out, err = run("8.10.0", "--physical-tenants", "red, blue")

    for name in ("DEFAULT", "RED", "BLUE"):
        line = f"CAMUNDA_PHYSICALTENANTS_{name}_DATA_EXPORTERSASSIGNED=appintspool\n"
        assert line in out
    assert "list them with appintspool in its DATA_EXPORTERSASSIGNED" in err


def test_a_broker_elsewhere(run):
    """If the service listens for other machines, stderr mentions --ingest-url."""
    others = {"INGEST_USERNAME": "a", "INGEST_PASSWORD": "b", "INGEST_HOST": "10.0.0.1"}

    assert "--ingest-url" in run("8.6.0", **others)[2]
    assert "--ingest-url" not in run("8.6.0", "--ingest-url=http://a:1", **others)[2]


@pytest.mark.parametrize(
    "argv, settings, why",
    [
        (["latest"], {}, "is not a version of the broker"),
        (["8.6.0", "--ingest-url=http://u:hunter2@a:1"], {}, "'...@a:1' isn't a URL"),
        (["8.6.0"], {"INGEST_PORT": "0"}, "INGEST_PORT is 0"),
        (["8.6.0"], {"BATCH_SIZE": "0"}, "BATCH_SIZE"),
    ],
)
def test_mistakes(run, argv, settings, why):
    """Arguments that no broker could use are an error, without any output."""
    status, out, err = run(*argv, **settings)

    assert (status, out) == (2, "")
    assert why in err
    assert "hunter2" not in err
