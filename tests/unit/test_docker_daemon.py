"""The scripts find or start Docker, or print what is missing and the remedy."""

import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "docker"

# A daemon that runs is a file here.
DOCKER = """[ -e "$XDG_STATE_HOME/running" ]"""
DOCKERD = """: >"$XDG_STATE_HOME/running"; exec sleep 1"""
BROKEN = "echo no cgroups here; exit 1"
NO_PLUGIN = """[ "$1" != compose ]"""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a script on a machine with only these commands."""
    for name in ("bin", "state"):
        (tmp_path / name).mkdir()
    for name in ("mkdir", "cat", "tail", "sleep", "setsid"):
        (tmp_path / "bin" / name).symlink_to(Path("/usr/bin") / name)

    def run(script, commands, **variables):
        for name, text in ({"id": "echo 0"} | commands).items():
            command = tmp_path / "bin" / name
            command.write_text(f"#!/bin/sh\n{text}\n")
            command.chmod(0o755)
        path = {"PATH": f"{tmp_path}/bin", "XDG_STATE_HOME": f"{tmp_path}/state"}
        return subprocess.run(
            ["/bin/bash", SCRIPTS / script],
            env=path | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_running_daemon(run):
    """If a daemon answers, there is nothing to do and nothing to print."""
    done = run("daemon.sh", {"docker": "exit 0"})

    assert (done.returncode, done.stderr) == (0, "")


def test_a_daemon_is_started(run, tmp_path):
    """Root gets a daemon, with its log and number outside the checkout."""
    done = run("daemon.sh", {"docker": DOCKER, "dockerd": DOCKERD})

    kept = tmp_path / "state" / "app-integrations-exporter"
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"==> dockerd (log: {kept}/dockerd.log)\n"
    assert (kept / "dockerd.pid").read_text().strip().isdigit()


@pytest.mark.parametrize(
    "script, commands, variables, problem",
    [
        ("daemon.sh", {}, {}, "Docker is missing: install it"),
        ("daemon.sh", {"docker": DOCKER}, {}, "dockerd isn't installed"),
        ("daemon.sh", {"docker": DOCKER, "id": "echo 1000"}, {}, "let your user"),
        ("daemon.sh", {"docker": DOCKER}, {"DOCKER_HOST": "tcp://x"}, "tcp://x"),
        ("daemon.sh", {"docker": DOCKER, "dockerd": BROKEN}, {}, "no cgroups here"),
        ("compose.sh", {"docker": NO_PLUGIN}, {}, "Compose is missing: install it"),
    ],
)
def test_what_is_missing(run, script, commands, variables, problem):
    """A script that can't help ends with one sentence: the problem and the remedy."""
    done = run(script, commands, **variables)

    assert (done.returncode, done.stdout) == (1, "")
    assert problem in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "commands, compose",
    [
        ({"docker": "exit 0", "docker-compose": "exit 0"}, "docker compose"),
        ({"docker": NO_PLUGIN, "docker-compose": "exit 0"}, "docker-compose"),
    ],
)
def test_compose(run, commands, compose):
    """Compose is Docker's plugin if it is there, or else the older command."""
    done = run("compose.sh", commands)

    assert (done.returncode, done.stdout, done.stderr) == (0, f"{compose}\n", "")


@pytest.mark.parametrize(
    "script, missing, package, allowed",
    [
        ("daemon.sh", "docker", "docker.io", {"INSTALL_DOCKER": "yes"}),
        ("compose.sh", "docker-compose", "docker-compose", {"CI": "true"}),
    ],
)
def test_installed(run, script, missing, package, allowed):
    """Root in continuous integration, or with a variable, gets what is missing."""
    command = f'"${{0%/*}}/{missing}"'
    create = f'printf "#!/bin/sh\\n" >{command}; /bin/chmod +x {command}'

    done = run(script, {"apt-get": f'[ "$1" = update ] || {{ {create}; }}'}, **allowed)

    assert done.returncode == 0
    assert done.stderr == f"==> apt-get install {package}\n"
