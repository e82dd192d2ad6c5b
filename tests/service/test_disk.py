"""A disk that is full or read-only, below the whole service: nothing is lost."""

import subprocess
from functools import partial

import pytest

from devkit.waiting import eventually
from exporter.errors import ExporterError
from exporter.spool import disk as disks
from tests.records import tasks
from tests.service.running import running


class Small:
    """A filesystem of its own, in memory."""

    def __init__(self, path):
        """Mount it at *path*."""
        self.path = path
        path.mkdir()
        self._run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", path)

    def change(self, options):
        """Mount it again with other *options*."""
        self._run("mount", "-o", f"remount,{options}", self.path)

    def unmount(self):
        """Take it away, whoever still uses it."""
        self._run("umount", "--lazy", self.path)

    def _run(self, *command):
        subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Return a small disk, on which SQLite itself finds that it is full."""
    monkeypatch.setattr(disks, "RESERVE_BYTES", 0)
    try:
        small = Small(tmp_path / "small")
    except (OSError, subprocess.CalledProcessError):
        # tests/service/test_health.py has one that everybody may run.
        pytest.skip("only root may mount a small disk")
    yield small
    small.unmount()


async def no_more(exporter):
    """Return what /readyz says when not even its own little entry has room."""
    while (reply := await exporter.look("/readyz")).status == 200:
        pass
    return reply


async def fill(exporter, first):
    """Send tasks until one isn't taken; return its position, and the answer."""
    for position in range(first, 10_000):
        body = tasks(position, value={"assignee": "x" * 10_000})
        reply = await exporter.bulk(body)
        if reply.status != 200:
            return position, reply
    raise AssertionError


async def mended(exporter, small, backend, position):
    """Make room; return when all went out, and at last the task at *position*."""
    backend.answer = 200
    small.change("size=64m")
    assert (await exporter.bulk(tasks(position))).status == 200
    await eventually(lambda: backend.positions[-1:] == [position])


@pytest.mark.parametrize("restart", [False, True])
async def test_a_full_disk(settings, small, backend, restart):
    """Until there is room the broker is put off; then everything goes on by itself."""
    backend.answer = 503
    settings = partial(settings, spool_dir=small.path / "spool", shutdown_timeout_ms=0)
    async with running(settings()) as exporter:
        refused, reply = await fill(exporter, first=1)
        unready = await no_more(exporter)
        healthy = await exporter.look("/healthz")
        assert (reply.status, unready.status, healthy.status) == (503, 503, 200)
        assert "full" in reply.json["error"]["reason"]
        assert "full" in unready.json["reason"]
        if not restart:
            await mended(exporter, small, backend, refused)
    if restart:
        async with running(settings(shutdown_timeout_ms=2000)) as exporter:
            await mended(exporter, small, backend, refused)

    assert refused > 50
    assert backend.positions == list(range(1, refused + 1))
    assert not list(small.path.glob("spool/*damaged*"))


async def test_a_full_disk_that_gets_empty_by_delivering(start, small, backend):
    """What is held goes out, full or not; only that it did can't be written down."""
    backend.answer = 503
    exporter = await start(spool_dir=small.path / "spool")
    refused, _ = await fill(exporter, first=1)

    backend.answer = 200
    await eventually(lambda: backend.positions)
    small.change("size=64m")
    await eventually(lambda: backend.positions[-1:] == [refused - 1])

    assert backend.positions == list(range(1, refused))


async def test_a_read_only_disk_at_the_start(settings, small, backend):
    """The service says what to do and ends; later it has everything it had."""
    backend.answer = 503
    make = partial(settings, spool_dir=small.path / "spool", shutdown_timeout_ms=0)
    async with running(make()) as exporter:
        assert (await exporter.bulk(tasks(1, 2))).status == 200

    small.change("ro")
    with pytest.raises(ExporterError, match=r"can't be opened.*Read-only.*permissions"):
        async with running(make()):
            pass
    small.change("rw")
    backend.answer = 200
    async with running(make()):
        await eventually(lambda: backend.positions == [1, 2])
