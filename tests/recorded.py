"""Recorded records and requests, and the records that only tests use."""

import json
from pathlib import Path

from devkit.stories import RECORDINGS, VERSIONS

__all__ = ["RECORDINGS", "VERSIONS"]

DATA = Path(__file__).parent / "data"

SENT = {"CREATED", "ASSIGNED", "COMPLETED", "CANCELED"}
"""The intents of user tasks that are selected by default."""


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
    """Return the recorded lines of complete user tasks."""
    return lines(f"{version}/user-task.jsonl")


def requests(name):
    """Return the recorded requests in the file *name*, oldest first."""
    return [json.loads(line) for line in lines(f"wire/{name}.jsonl")]
