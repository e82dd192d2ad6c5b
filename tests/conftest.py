"""Fixtures and settings for all tests."""

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

# A slow run on a busy machine isn't a failure.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    """Hide settings of the caller's shell from every test."""
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
    """Restore the log handlers after every test."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


@pytest.fixture
async def _no_task_left():
    """Fail a test that leaves a task running."""
    yield
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"still running: {left}"


def pytest_configure(config):
    """Make workers of pytest-xdist end together with the main process."""
    if hasattr(config, "workerinput") and sys.platform == "linux":
        parent_death_signal = 1  # PR_SET_PDEATHSIG; xdist itself takes 15 seconds
        ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGKILL)


def pytest_collection_modifyitems(items):
    """Check every asynchronous test for leftover tasks, after all other fixtures."""
    for item in items:
        if inspect.iscoroutinefunction(getattr(item, "function", None)):
            item.fixturenames.insert(0, "_no_task_left")


@contextlib.contextmanager
def careless():
    """Clear the umask, so that files get exactly the requested permissions."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)
