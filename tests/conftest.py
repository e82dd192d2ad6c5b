"""What every kind of test needs."""

import asyncio
import contextlib
import ctypes
import inspect
import logging
import os
import signal
import sys

import pytest
from hypothesis import HealthCheck, settings

from devkit.waiting import eventually

__all__ = ["careless", "eventually"]

# A machine that is busy with something else is no failure.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    """No test is told anything by the shell it was started from."""
    proxies = {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"}
    others = {
        "CAMUNDA_CLOUD_ORGANIZATION_ID",
        "ZEEBE_BROKER_CLUSTER_CLUSTERID",
    } | proxies
    for name in list(os.environ):
        if name.startswith("APP_INTEGRATIONS_") or name.upper() in others:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _logging_as_before():
    """No test inherits the log of another."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


@pytest.fixture
async def _no_task_left():
    """Nothing a test started runs on behind it."""
    yield
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"still running: {left}"


def pytest_configure(config):
    """Let a worker of pytest-xdist end at once with the run that it works for."""
    if hasattr(config, "workerinput") and sys.platform == "linux":
        parent_death_signal = 1  # PR_SET_PDEATHSIG; xdist would take 15 seconds
        ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGKILL)


def pytest_collection_modifyitems(items):
    """Look behind every asynchronous test, after all of its fixtures."""
    for item in items:
        if inspect.iscoroutinefunction(getattr(item, "function", None)):
            item.fixturenames.insert(0, "_no_task_left")


@contextlib.contextmanager
def careless():
    """Let what is made during the block be everybody's, unless it says otherwise."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)
