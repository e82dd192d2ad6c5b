"""What real engines and real exporters sent, as tests/data holds it."""

import json
from pathlib import Path

DATA = Path(__file__).parent / "data"
VERSIONS = ("8.6.0", "8.8.21")
OTHERS = sorted(
    path.relative_to(DATA)
    for version in VERSIONS
    for path in (DATA / version).iterdir()
    if path.stem not in ("user-task", "tenants")
)
"""The files without a user task that is sent."""


def lines(path):
    """Return the lines of the file at *path*, as bytes."""
    return (DATA / path).read_bytes().splitlines()


def everything(version):
    """Return all recorded lines of a *version*."""
    paths = sorted((DATA / version).iterdir())
    return [line for path in paths for line in path.read_bytes().splitlines()]


def user_tasks(version):
    """Return the recorded lines of user tasks, whole lives of them."""
    return lines(f"{version}/user-task.jsonl")


def requests(path):
    """Return the recorded requests of the file at *path*, oldest first."""
    return [json.loads(line) for line in lines(f"wire/{path}.jsonl")]
