"""
A real engine in Docker, from an image that the user chooses.

Camunda's images are under Camunda's licence. So there is no default image, and callers
print `LICENCE` before a pull.
"""

import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from devkit.processes import LOOPBACK, Process, StartError
from exporter.broker.environment import parse_version

LICENCE = (
    "{} is Camunda's image. It is under Camunda's licence, which isn't open source: "
    "you choose to run it."
)
HOST = "host.docker.internal"
"""The name of this machine inside a container."""
PULL_SECONDS, START_SECONDS = 1800.0, 180.0


def image_version(image: str) -> str:
    """Return the engine's version in *image*, which is the tag."""
    name = image.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2] or "latest"


def alone(version: str) -> dict[str, str]:
    """Return the variables that run an engine without a database and users."""
    parsed = parse_version(version)
    if parsed < (8, 8):
        return {}
    return {
        "SPRING_PROFILES_ACTIVE": "broker",
        "CAMUNDA_DATA_SECONDARYSTORAGE_TYPE": "none",
        **({"CAMUNDA_DATABASE_TYPE": "none"} if parsed == (8, 8) else {}),
        "CAMUNDA_SECURITY_AUTHENTICATION_UNPROTECTEDAPI": "true",
        "CAMUNDA_SECURITY_AUTHORIZATIONS_ENABLED": "false",
    }


@asynccontextmanager
async def engine_in_docker(
    image: str,
    variables: Mapping[str, str],
    work: Path,
    rest_port: int,
    management_port: int,
) -> AsyncIterator[None]:
    """Run *image* with its ports on the loopback, and logs in *work*."""
    if not shutil.which("docker"):
        raise StartError(f"{image} needs Docker: install it.")
    if await _failure(work, "image", "inspect", image):
        failure = await _failure(work, "pull", image)
        if failure:
            raise StartError(f"{image} can't be pulled: {failure}")
    name = f"app-integrations-{os.getpid()}-{rest_port}"
    variables = alone(image_version(image)) | dict(variables)
    options = [
        *("--rm", "--name", name, "--add-host", f"{HOST}:host-gateway"),
        *("--publish", f"{LOOPBACK}:{rest_port}:8080"),
        *("--publish", f"{LOOPBACK}:{management_port}:9600"),
        # Without the values, which may be secret.
        *(f"--env={each}" for each in variables),
    ]
    command, log = ["docker", "run", *options, image], work / "engine.log"
    async with Process(command, log=log, environment=os.environ | variables) as run:
        try:
            ready = f"http://{LOOPBACK}:{management_port}/actuator/health/readiness"
            await run.start(ready, within=START_SECONDS)
            yield
        finally:
            await _failure(work, "rm", "--force", name)


async def _failure(work: Path, *command: str) -> str:
    """Return the reason why a Docker command failed, or "" if it succeeded."""
    async with Process(["docker", *command], log=work / "docker.log") as docker:
        docker.spawn()
        try:
            await docker.ended(within=PULL_SECONDS)
        except AssertionError:
            return "the registry doesn't answer."
        lines = docker.text.strip().splitlines() or ["the command failed."]
        return lines[-1] if docker.status else ""
