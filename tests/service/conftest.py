"""The whole exporter, between requests like a broker's and a stub backend."""

import asyncio
import itertools
import json
import sqlite3
import threading
from contextlib import AsyncExitStack, ExitStack
from typing import NamedTuple

import aiohttp
import pytest

from devkit.backend import Backend
from devkit.processes import Exporter
from exporter import cli
from exporter.admin import guard
from exporter.connect import connecting
from exporter.spool.totals import Totals
from tests.configured import configured, only_backend
from tests.service.running import running


@pytest.fixture
async def backend():
    """Return the backend; it must get only batches."""
    async with Backend() as backend:
        yield backend
    assert backend.strays == []


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    """Shorten the waits for a backend that fails."""
    monkeypatch.setattr("exporter.delivery.breaker.FIRST_SECONDS", 0.01)
    monkeypatch.setattr("exporter.delivery.breaker.LONGEST_SECONDS", 0.05)
    monkeypatch.setattr("exporter.spool.outbox.RETRY_SECONDS", 0.01)


@pytest.fixture
async def skip():
    """Return a function that lets some seconds pass at once for this event loop."""
    loop, skipped = asyncio.get_running_loop(), 0.0
    time = loop.time

    def skip(seconds):
        nonlocal skipped
        skipped += seconds

    loop.time = lambda: time() + skipped
    return skip


@pytest.fixture
def settings(backend, tmp_path):
    """Return a function that makes settings with changes."""

    def make(**changes):
        return configured(
            **{
                "url": backend.url,
                "spool_dir": tmp_path / "spool",
                "ingest_port": 0,
                "admin_port": 0,
                "shutdown_timeout_ms": 2000,
            }
            | changes
        )

    return make


@pytest.fixture
def token(settings):
    """Return a function that returns the token that the service wrote."""
    return lambda: (settings().spool_dir / guard.FILE).read_text().strip()


@pytest.fixture
def connect(settings):
    """Return a context manager that connects to the backend of such settings."""

    def make(**changes):
        return connecting(only_backend(settings(**changes)), "")

    return make


@pytest.fixture
async def start(settings):
    """Return a function that starts an exporter, which stops after the test."""
    async with AsyncExitStack() as stack:

        async def begin(**changes):
            return await stack.enter_async_context(running(settings(**changes)))

        yield begin


@pytest.fixture
def launch(backend, tmp_path):
    """Return a function that makes an exporter in its own process, with one spool."""
    with ExitStack() as stack:
        numbers = itertools.count()

        def make(*options, **changes):
            settings = {"URL": backend.url, "SPOOL_DIR": tmp_path / "spool"} | changes
            directory = tmp_path / f"run-{next(numbers)}"
            exporter = Exporter(directory, settings.pop("URL"), *options, **settings)
            stack.callback(exporter.kill)
            return exporter

        yield make


@pytest.fixture
async def client():
    """Return an HTTP client."""
    async with aiohttp.ClientSession() as session:
        yield session


class Done(NamedTuple):
    """The result of a command."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        """Its output, decoded."""
        return json.loads(self.out)


@pytest.fixture
def command(settings, backend, monkeypatch, capsys):
    """Return a function that runs a command for an exporter, or for none."""
    monkeypatch.setenv("APP_INTEGRATIONS_URL", backend.url)
    monkeypatch.setenv("APP_INTEGRATIONS_SPOOL_DIR", str(settings().spool_dir))
    # A broker that happens to run on this machine is nobody's business here.
    monkeypatch.setattr("exporter.commands.leftovers.DEFAULT_URL", "http://b.invalid")

    async def run(exporter, *argv):
        port = exporter.admin.rpartition(":")[2] if exporter else "9"
        monkeypatch.setenv("APP_INTEGRATIONS_ADMIN_PORT", port)
        capsys.readouterr()
        status = await asyncio.to_thread(cli.main, argv)
        return Done(status, *capsys.readouterr())

    return run


class Disk:
    """The disk under the spool, which can be slow and can fail."""

    def __init__(self):
        self.failing = False
        self.asked = threading.Event()
        """Set when a transaction is about to be committed."""
        self.quick = threading.Event()
        """While it is cleared, every transaction waits before its commit."""
        self.quick.set()

    def check(self):
        """Behave as the disk does now."""
        self.asked.set()
        assert self.quick.wait(60)
        if self.failing:
            raise sqlite3.OperationalError("disk I/O error")


@pytest.fixture
def disk(monkeypatch):
    """Return the disk of all spools of this test."""
    disk = Disk()
    write = Totals.write

    def checked(totals):
        disk.check()
        write(totals)

    monkeypatch.setattr(Totals, "write", checked)
    yield disk
    disk.quick.set()
