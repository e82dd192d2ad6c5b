"""A disk that is full or read-only, below the whole service: nothing is lost."""

import shutil
import subprocess
from functools import partial

import pytest

from devkit.waiting import eventually
from exporter.base.errors import ExporterError
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
        """Take it away, even if it is in use."""
        self._run("umount", "--lazy", self.path)

    @property
    def left(self):
        """How many bytes are free."""
        return shutil.disk_usage(self.path).free

    def size_of(self, name):
        """Return the size of a file of the spool on it."""
        return (self.path / "spool" / name).stat().st_size

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


@pytest.fixture
def tight(small, monkeypatch):
    """Return a small disk with proportions like those of a large one."""
    monkeypatch.setattr(disks, "RESERVE_BYTES", 8 << 20)
    monkeypatch.setattr(disks, "KEPT_BYTES", 1 << 20)
    small.change("size=28m")
    return small


async def no_more(exporter):
    """Return the answer of /readyz when its own small entry has no room."""
    while (reply := await exporter.look("/readyz")).status == 200:
        pass
    return reply


async def fill(exporter, first, size=10_000):
    """Send tasks until one isn't taken; return its position, and the answer."""
    for position in range(first, 10_000):
        body = tasks(position, value={"assignee": "x" * size})
        reply = await exporter.bulk(body)
        if reply.status != 200:
            return position, reply
    raise AssertionError


async def delivered_after_all(exporter, small, backend, position):
    """Make room, and wait until all is delivered; last the task at *position*."""
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
            await delivered_after_all(exporter, small, backend, refused)
    if restart:
        async with running(settings(shutdown_timeout_ms=2000)) as exporter:
            await delivered_after_all(exporter, small, backend, refused)

    assert refused > 50
    assert backend.positions == list(range(1, refused + 1))
    assert not list(small.path.glob("spool/*damaged*"))


async def refused_at_the_reserve(exporter, backend):
    """Fill the disk with a backlog that the *backend* doesn't take."""
    backend.answer = 503
    refused, reply = await fill(exporter, first=1, size=40_000)
    assert reply.status == 503
    assert b"left" in reply.body
    return refused


@pytest.mark.slow
async def test_a_disk_that_was_full(start, tight, backend):
    """After a backlog, file and log shrink, and events are accepted again."""
    exporter = await start(spool_dir=tight.path / "spool")
    refused = await refused_at_the_reserve(exporter, backend)
    full = tight.left

    backend.answer = 200
    await eventually(lambda: backend.positions[-1:] == [refused - 1], within=60)
    await eventually(lambda: tight.left > full + 8 * disks.KEPT_BYTES, within=60)

    await eventually(lambda: tight.size_of("spool.sqlite-wal") <= disks.KEPT_BYTES)

    for position in range(refused, refused + 5):
        reply = await exporter.bulk(tasks(position))
        assert reply.status == 200, reply.json["error"]["reason"]
    await eventually(lambda: backend.positions[-1:] == [position])
    assert (await exporter.look("/healthz")).status == 200


@pytest.mark.slow
async def test_drop_oldest_on_a_full_disk(start, tight, backend):
    """If the disk is the limit, the oldest events make room for new ones, too."""
    backend.answer = 503
    exporter = await start(
        spool_dir=tight.path / "spool", spool_when_full="drop-oldest"
    )
    for position in range(1, 701):
        reply = await exporter.bulk(tasks(position, value={"assignee": "x" * 40_000}))
        assert reply.status == 200, reply.json["error"]["reason"]
    ready = await exporter.look("/readyz")
    backend.answer = 200
    await eventually(lambda: backend.positions[-1:] == [700], within=60)

    metrics = await exporter.metrics()
    lost = metrics["spool_lost_events_total"]
    assert ready.status == 200
    assert lost > 100
    assert len(set(backend.positions)) >= 700 - lost


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
