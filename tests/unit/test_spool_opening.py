"""Opening a spool."""

import fcntl
import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from exporter.base.errors import ExporterError
from exporter.spool import SpoolInUseError
from exporter.spool.database import VERSION
from tests.unit.spools import a_spool, an_event, taken


async def test_a_second_service_is_told_about_the_first(tmp_path):
    """A spool in use can't be opened, and the error has the host and pid."""
    async with a_spool(tmp_path):
        with pytest.raises(SpoolInUseError) as refused:
            async with a_spool(tmp_path):
                pass
    assert f"host {socket.gethostname()}, pid {os.getpid()}" in str(refused.value)


async def test_who_only_looks_keeps_nobody_out(tmp_path, monkeypatch):
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


async def test_the_holder_may_die_in_any_way(tmp_path):
    """After a kill, the spool opens at once with all accepted events."""
    hold = (
        "import asyncio, os, pathlib, sys\n"
        "from tests.unit.spools import a_spool, an_event\n"
        "async def main():\n"
        "    async with a_spool(pathlib.Path(sys.argv[1])) as spool:\n"
        "        await spool.append([an_event(1)])\n"
        "        os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run([sys.executable, "-c", hold, tmp_path], check=False)  # noqa: ASYNC221

    async with a_spool(tmp_path) as spool:
        assert ended.returncode == -9
        assert await taken(spool) == [[1]]


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda d: (d / "spool.sqlite").mkdir(), "directory"),
        (lambda d: (d / "lock").mkdir(), "directory"),
        (lambda d: (d / "lock").symlink_to(d / "no" / "where"), "No such file"),
    ],
)
async def test_an_unusable_spool_says_what_to_do(tmp_path, make, says):
    """The error has the path, the reason and the setting."""
    make(tmp_path)
    with pytest.raises(ExporterError, match=says) as refused:
        async with a_spool(tmp_path):
            pass
    assert str(tmp_path) in str(refused.value)
    assert "APP_INTEGRATIONS_SPOOL_DIR" in str(refused.value)


async def test_a_directory_that_is_a_file_says_what_to_do(tmp_path):
    """A directory that can't be created is an error with a remedy."""
    (tmp_path / "file").touch()
    with pytest.raises(ExporterError, match="can't be opened"):
        async with a_spool(tmp_path / "file" / "spool"):
            pass


def set_version(directory, version):
    """Set the schema version of the file to *version*."""
    with closing(sqlite3.connect(directory / "spool.sqlite")) as connection:
        connection.execute(f"PRAGMA user_version = {version}")


@pytest.mark.parametrize("version", [VERSION - 1, VERSION + 1])
async def test_another_schema_is_left_alone(tmp_path, version):
    """A file with another schema version is refused and unchanged."""
    async with a_spool(tmp_path) as spool:
        await spool.append([an_event(1)])
    set_version(tmp_path, version)

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
