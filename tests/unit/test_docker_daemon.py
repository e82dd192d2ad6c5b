"""Whoever lacks a Docker daemon or Compose gets it, or is told what is missing."""

import subprocess
from functools import partial
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "docker"

# A daemon that runs is a file here.
DOCKER = """[ -e "$XDG_STATE_HOME/running" ]"""
DOCKERD = """: >"$XDG_STATE_HOME/running"; exec sleep 1"""
BROKEN = """echo no cgroups here; exit 1"""


@pytest.fixture
def machine(tmp_path):
    """Return what puts a command on the path of a machine that has hardly any."""
    (tmp_path / "bin").mkdir()
    for name in ("mkdir", "cat", "tail", "sleep", "setsid"):
        (tmp_path / "bin" / name).symlink_to(Path("/usr/bin") / name)

    def have(name, text):
        command = tmp_path / "bin" / name
        command.write_text(f"#!/bin/sh\n{text}\n")
        command.chmod(0o755)

    have("id", "echo 0")
    return have


@pytest.fixture
def run(tmp_path):
    """Return a function that runs one of the scripts on this machine."""

    def run(script, **variables):
        (tmp_path / "state").mkdir(exist_ok=True)
        environment = {
            "PATH": str(tmp_path / "bin"),
            "XDG_STATE_HOME": str(tmp_path / "state"),
        }
        return subprocess.run(
            ["/bin/bash", SCRIPTS / script],
            env=environment | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def daemon(run):
    """Return a function that asks for a daemon on this machine."""
    return partial(run, "daemon.sh")


def test_a_daemon_that_runs(machine, daemon):
    """Where a daemon answers there's nothing to do, and nothing to say."""
    machine("docker", "exit 0")

    run = daemon()

    assert (run.returncode, run.stderr) == (0, "")


def test_a_daemon_is_started(machine, daemon, tmp_path):
    """Root gets a daemon, and its log and number are kept outside the checkout."""
    machine("docker", DOCKER)
    machine("dockerd", DOCKERD)

    run = daemon()

    kept = tmp_path / "state" / "app-integrations-exporter"
    assert run.returncode == 0, run.stderr
    assert run.stderr == f"==> dockerd (log: {kept}/dockerd.log)\n"
    assert (kept / "dockerd.pid").read_text().strip().isdigit()


def test_a_daemon_that_fails(machine, daemon):
    """A daemon that ends at once is not waited for: its last words are passed on."""
    machine("docker", DOCKER)
    machine("dockerd", BROKEN)

    run = daemon()

    assert run.returncode == 1
    assert run.stderr.endswith("dockerd.log says why: no cgroups here\n")


@pytest.mark.parametrize(
    "commands, variables, sentence",
    [
        ({}, {}, "Docker is missing: install it"),
        ({"docker": DOCKER}, {}, "No Docker daemon answers, and dockerd isn't"),
        ({"docker": DOCKER, "id": "echo 1000"}, {}, "No Docker daemon answers: start"),
        ({"docker": DOCKER}, {"DOCKER_HOST": "tcp://x"}, "No Docker daemon answers at"),
    ],
)
def test_what_is_missing(machine, daemon, commands, variables, sentence):
    """Where it can't help, one sentence says what is missing and what to do."""
    for name, text in commands.items():
        machine(name, text)

    run = daemon(**variables)

    (said,) = run.stderr.splitlines()
    assert run.returncode == 1
    assert said.startswith(sentence)


@pytest.mark.parametrize("allowed", [{"INSTALL_DOCKER": "yes"}, {"CI": "true"}])
def test_docker_is_installed(machine, daemon, tmp_path, allowed):
    """Root may have it installed, and continuous integration has it without asking."""
    machine("docker", "exit 0")
    (tmp_path / "bin" / "docker").rename(tmp_path / "docker")
    packages = f'[ "$1" = update ] || /bin/mv {tmp_path}/docker "${{0%/*}}"'
    machine("apt-get", packages)

    run = daemon(**allowed)

    assert run.stderr == "==> apt-get install docker.io\n"


# A Docker that was installed without its plugin.
NO_PLUGIN = """[ "$1" != compose ]"""


@pytest.mark.parametrize(
    "commands, compose",
    [
        ({"docker": "exit 0"}, "docker compose"),
        ({"docker": "exit 0", "docker-compose": "exit 0"}, "docker compose"),
        ({"docker": NO_PLUGIN, "docker-compose": "exit 0"}, "docker-compose"),
    ],
)
def test_compose(machine, run, commands, compose):
    """Docker's plugin is Compose where there is one, else the command of old."""
    for name, text in commands.items():
        machine(name, text)

    done = run("compose.sh")

    assert (done.returncode, done.stdout, done.stderr) == (0, f"{compose}\n", "")


def test_no_compose(machine, run):
    """Where there is none, and none may be installed, one sentence says so."""
    machine("docker", NO_PLUGIN)

    done = run("compose.sh")

    (said,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    assert said.startswith("Docker Compose is missing: install it")


def test_compose_is_installed(machine, run, tmp_path):
    """Continuous integration gets it without asking."""
    machine("docker", NO_PLUGIN)
    machine("docker-compose", "exit 0")
    (tmp_path / "bin" / "docker-compose").rename(tmp_path / "compose")
    moved = f'/bin/mv {tmp_path}/compose "${{0%/*}}"/docker-compose'
    machine("apt-get", f'[ "$1" = update ] || {moved}')

    done = run("compose.sh", CI="true")

    assert (done.returncode, done.stdout) == (0, "docker-compose\n")
    assert done.stderr == "==> apt-get install docker-compose\n"
