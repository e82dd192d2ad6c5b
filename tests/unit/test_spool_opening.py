"""Who may open a spool, and what is found there."""

import fcntl
import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from exporter.errors import ExporterError
from exporter.spool import SpoolInUseError
from exporter.spool.database import MIGRATIONS, open_database
from tests.unit.spools import ANY, NOON, a_spool, an_event, only, taken


async def test_a_second_service_is_told_about_the_first(tmp_path):
    """Whoever opens a spool in use is refused, with the host and pid of the holder."""
    async with a_spool(tmp_path):
        with pytest.raises(SpoolInUseError) as refused:
            async with a_spool(tmp_path):
                pass
    assert f"host {socket.gethostname()}, pid {os.getpid()}" in str(refused.value)


async def test_who_only_looks_keeps_nobody_out(tmp_path, monkeypatch):
    """A start that meets somebody who looks for a holder waits for a moment."""
    async with a_spool(tmp_path):
        pass
    looking = os.open(tmp_path / "lock", os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    monkeypatch.setattr("time.sleep", lambda _: fcntl.flock(looking, fcntl.LOCK_UN))

    async with a_spool(tmp_path) as spool:
        await spool.prove()

    os.close(looking)


async def test_the_holder_may_die_in_any_way(tmp_path):
    """A holder that was killed leaves a spool that opens at once, with all it took."""
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
        (lambda d: (d / "spool.sqlite").mkdir(), "unable to open"),
        (lambda d: (d / "lock").mkdir(), "directory"),
        (lambda d: (d / "lock").symlink_to(d / "no" / "where"), "No such file"),
    ],
)
async def test_an_unusable_spool_says_what_to_do(tmp_path, make, says):
    """A spool that can't be opened names the path, the reason and the setting."""
    make(tmp_path)
    with pytest.raises(ExporterError, match=says) as refused:
        async with a_spool(tmp_path):
            pass
    assert str(tmp_path) in str(refused.value)
    assert "APP_INTEGRATIONS_SPOOL_DIR" in str(refused.value)


async def test_a_directory_that_is_a_file_says_what_to_do(tmp_path):
    """A spool directory that can't be made is an error with a remedy."""
    (tmp_path / "file").touch()
    with pytest.raises(ExporterError, match="can't be opened"):
        async with a_spool(tmp_path / "file" / "spool"):
            pass


def set_version(directory, version):
    """Pretend that an exporter of another *version* wrote the file."""
    with closing(sqlite3.connect(directory / "spool.sqlite")) as connection:
        connection.execute(f"PRAGMA user_version = {version}")


async def test_a_newer_schema_is_left_alone(tmp_path):
    """A file of a newer exporter is refused, not touched."""
    async with a_spool(tmp_path) as spool:
        await spool.append([an_event(1)])
    set_version(tmp_path, 99)

    with pytest.raises(ExporterError, match=r"version 99.*newer"):
        async with a_spool(tmp_path):
            pass

    set_version(tmp_path, len(MIGRATIONS))
    async with a_spool(tmp_path) as spool:
        assert await taken(spool) == [[1]]


async def test_an_older_schema_is_brought_up(tmp_path):
    """A file of the first version keeps its events and dead letters."""
    with closing(sqlite3.connect(tmp_path / "spool.sqlite")) as old:
        old.executescript(MIGRATIONS[0])
        old.execute(
            "INSERT INTO event VALUES (7, 'default', 1, 1, ?, 5001, 100, '{}')",
            [NOON],
        )
        old.execute(
            "INSERT INTO dead_letter VALUES (3, NULL, ?, 'no JSON', '1-1', '{', NULL)",
            [NOON],
        )
        old.execute("UPDATE held SET rows = 1, bytes = 2 WHERE what = 'event'")
        old.execute("UPDATE held SET rows = 1, bytes = 1 WHERE what = 'dead_letter'")
        old.commit()
    set_version(tmp_path, 1)

    async with a_spool(tmp_path) as spool:
        (letter,) = [each async for page in spool.dead_letters() for each in page]
        assert (letter.id, letter.reason, letter.event) == (3, "no JSON", None)
        assert (letter.status, letter.answer, letter.attempts) == (None, "", 0)
        assert await taken(spool) == [[1]]


def of_version_2(directory, *bodies, dead=()):
    """Write the file of an exporter that knew one backend."""
    with closing(sqlite3.connect(directory / "spool.sqlite")) as old:
        old.executescript("".join(MIGRATIONS[:2]))
        old.executemany(
            "INSERT INTO event VALUES (?, 'default', 1, ?1, ?, 5001, 100, ?)",
            [(number, NOON, body) for number, body in enumerate(bodies, start=7)],
        )
        old.executemany(
            "INSERT INTO dead_letter (backend, created, reason, action, body, "
            "partition, position, timestamp, key, instance) "
            "VALUES (?, 1, 'old', '', ?, ?, 1, 1, 1, 1)",
            [(name, body, name and 1) for name, body in dead],
        )
        for what, held in (("event", bodies), ("dead_letter", [d[1] for d in dead])):
            old.execute(
                "UPDATE held SET rows = ?, bytes = ? WHERE what = ?",
                (len(held), sum(map(len, held)), what),
            )
        old.commit()
    set_version(directory, 2)


async def test_a_schema_for_one_backend_is_brought_up(tmp_path):
    """All that a file of the second version holds is the backend's without a name."""
    dead = [(None, b"{garbage"), ("default", b"{}"), ("default", b'{"a":1}')]
    of_version_2(tmp_path, b"{}", b'{"b":1}', dead=dead)

    async with a_spool(tmp_path, "default", "audit") as spool:
        assert (spool.waiting, spool.dead) == ((2, 9), (3, 17))
        assert spool.waiting_for("default") == (2, 9)
        assert (spool.dead_of(None), spool.dead_of("default")) == ((1, 8), (2, 9))
        await spool.append([an_event(1, backends=("audit",))])
        assert await taken(spool, backend="audit") == [[1]]
        handled = await spool.revive()
        assert (handled.count, handled.left) == (2, 1)
        assert await taken(spool) == [[7, 8, 1, 1]]
    async with a_spool(tmp_path, "audit") as spool:
        assert (spool.waiting, spool.dead, spool.left_behind) == ((0, 0), (1, 8), {})


@pytest.mark.parametrize(
    "body, kind",
    [
        (b'{"intent":"CREATED","assignee":""}', "user-task.created"),
        (b'{"intent":"ASSIGNED","assignee":"demo"}', "user-task.assigned"),
        (b'{"intent":"ASSIGNED","assignee":""}', "user-task.unassigned"),
        (b'{"intent":"ASSIGNED"}', "user-task.unassigned"),
        (b'{"intent":"COMPLETED"}', "user-task.completed"),
        (b'{"intent":"CANCELED"}', "user-task.canceled"),
        (b'{"intent":"MIGRATED"}', ""),
        (b'{"intent":7}', ""),
        (b"[]", ""),
        (b"\xff\0{", ""),
    ],
)
async def test_old_events_get_their_kind(tmp_path, body, kind):
    """What was accepted before kinds were kept is known by its body, once it's read."""
    of_version_2(tmp_path, body, dead=[("default", body), (None, body)])
    async with a_spool(tmp_path) as spool:
        (waiting,) = (await only(spool).take(ANY)).events
        (page,) = [page async for page in spool.dead_letters()]
        assert (waiting.kind, waiting.broker, waiting.body) == (kind, "", body)
        assert [letter.event and letter.event.kind for letter in page] == [kind, None]


async def test_a_large_backlog_is_brought_up_at_once(tmp_path):
    """However many events wait, a migration doesn't go through them."""
    written = []
    for number, count in enumerate((1, 5000)):
        directory = tmp_path / f"{number}"
        directory.mkdir()
        of_version_2(directory, *[b"x" * 700] * count)
        with closing(open_database(directory / "spool.sqlite")):
            written.append((directory / "spool.sqlite-wal").stat().st_size)
    assert written[0] == written[1]


async def test_the_promises_of_the_file(tmp_path):
    """Commits are synced, the log is write-ahead, and nobody else may open the file."""
    async with a_spool(tmp_path) as spool:
        one = spool._writer._connection.execute
        assert one("PRAGMA journal_mode").fetchone() == ("wal",)
        assert one("PRAGMA synchronous").fetchone() == (2,)
        assert one("PRAGMA locking_mode").fetchone() == ("exclusive",)
