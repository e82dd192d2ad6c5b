"""Opening a spool."""

import fcntl
import os
import socket
import sqlite3
from contextlib import closing

import pytest

from exporter.base.errors import ExporterError
from exporter.spool import SpoolInUseError, disk
from exporter.spool.database import VERSION
from tests.unit.damage import mark
from tests.unit.spools import a_spool, an_event, taken


async def test_a_spool_in_use(tmp_path, monkeypatch):
    """A second service is refused with the first one's host and pid."""
    monkeypatch.setattr("exporter.spool.lock.CHECK_SECONDS", 0)
    async with a_spool(tmp_path) as spool:
        with pytest.raises(SpoolInUseError) as refused:
            async with a_spool(tmp_path):
                pass
        await spool.append([an_event(1)])
    assert f"host {socket.gethostname()}, pid {os.getpid()}" in str(refused.value)
    assert "APP_INTEGRATIONS_SPOOL_DIR" in str(refused.value)


def test_new_directories_are_on_the_disk(tmp_path, monkeypatch):
    """The entry of each new directory is synced, so that it survives a power loss."""
    synced = []
    monkeypatch.setattr(disk, "sync", synced.append)

    disk.make_directory(tmp_path / "a" / "b")

    assert synced == [tmp_path / "a", tmp_path]


async def test_a_check_keeps_nobody_out(tmp_path, monkeypatch):
    """Opening waits while another process checks the lock."""
    async with a_spool(tmp_path):
        pass
    looking = os.open(tmp_path / "lock", os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    monkeypatch.setattr("exporter.spool.lock.CHECK_SECONDS", 60)
    monkeypatch.setattr("time.sleep", lambda _: fcntl.flock(looking, fcntl.LOCK_UN))

    async with a_spool(tmp_path) as spool:
        await spool.check_writable()

    os.close(looking)


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda d: (d / "spool.sqlite").mkdir(), "directory"),
        (lambda d: (d / "lock").mkdir(), "directory"),
        (lambda d: [d.rmdir(), d.touch()], "File exists"),
        (lambda d: (d / "lock").symlink_to(d / "no" / "where"), "No such file"),
    ],
)
async def test_an_unusable_spool(tmp_path, make, says):
    """The error has the path, the reason and the setting."""
    make(tmp_path)
    with pytest.raises(ExporterError, match=says) as refused:
        async with a_spool(tmp_path):
            pass
    assert str(tmp_path) in str(refused.value)
    assert "APP_INTEGRATIONS_SPOOL_DIR" in str(refused.value)


def set_version(directory, version):
    """Set the schema version of the file to *version*."""
    with closing(sqlite3.connect(directory / "spool.sqlite")) as connection:
        connection.execute(f"PRAGMA user_version = {version}")


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize("version", [VERSION - 1, VERSION + 1])
async def test_another_schema_is_left_alone(tmp_path, version, damaged):
    """A file with another schema version is refused and unchanged, damaged or not."""
    async with a_spool(tmp_path) as spool:
        await spool.append([an_event(1)])
    set_version(tmp_path, version)
    if damaged:
        mark(tmp_path / "spool.sqlite")

    with pytest.raises(ExporterError, match=f"version {version}.*newer"):
        async with a_spool(tmp_path):
            pass

    set_version(tmp_path, VERSION)
    async with a_spool(tmp_path) as spool:
        assert await taken(spool) == [[1]]


async def test_the_promises_of_the_file(tmp_path):
    """The file has the modes that the promises depend on."""
    async with a_spool(tmp_path) as spool:
        one = spool._writer._connection.execute
        assert one("PRAGMA journal_mode").fetchone() == ("wal",)
        assert one("PRAGMA synchronous").fetchone() == (2,)
        assert one("PRAGMA locking_mode").fetchone() == ("exclusive",)
