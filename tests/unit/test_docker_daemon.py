"""Whoever lacks a Docker daemon gets one, or is told what is missing."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docker" / "daemon.sh"

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
def daemon(tmp_path):
    """Return a function that asks for a daemon on this machine."""

    def run(**variables):
        (tmp_path / "state").mkdir(exist_ok=True)
        environment = {
            "PATH": str(tmp_path / "bin"),
            "XDG_STATE_HOME": str(tmp_path / "state"),
        }
        return subprocess.run(
            ["/bin/bash", SCRIPT],
            env=environment | variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    return run


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
