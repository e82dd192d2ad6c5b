"""Records and requests of real engines and exporters, and what only tests need."""

import json
from pathlib import Path

from devkit.stories import RECORDINGS, VERSIONS

__all__ = ["RECORDINGS", "VERSIONS"]

DATA = Path(__file__).parent / "data"

SENT = {"CREATED", "ASSIGNED", "COMPLETED", "CANCELED"}
"""The intents of user tasks that are sent by default."""


def files(version):
    """Return the paths of all recordings of a *version*."""
    found = (*RECORDINGS.glob(f"{version}/*"), *DATA.glob(f"{version}/*"))
    return sorted(found, key=lambda path: path.name)


def lines(path):
    """Return the lines of the file at *path*, as bytes."""
    return (RECORDINGS / path).read_bytes().splitlines()


def everything(version):
    """Return all recorded lines of a *version*."""
    return [line for path in files(version) for line in lines(path)]


def user_tasks(version):
    """Return the recorded lines of user tasks, whole lives of them."""
    return lines(f"{version}/user-task.jsonl")


def requests(name):
    """Return the recorded requests of that *name*, oldest first."""
    return [json.loads(line) for line in lines(f"wire/{name}.jsonl")]
