"""Where and how a measurement was made: no figure means anything without it."""

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import psutil

SYNCS = 200
PAGE = 4096


def conditions() -> dict[str, str]:
    """Return what the figures depend on."""
    memory = psutil.virtual_memory().total / 1024**3
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "system": f"{platform.system()} {platform.release()}",
        "machine": f"{os.cpu_count()} x {_processor()}, {memory:.0f} GiB",
        "load before": " ".join(f"{load:.2f}" for load in psutil.getloadavg()),
        "one fsync": f"{_sync_ms():.2f} ms in {tempfile.gettempdir()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in ("aiohttp", "uvloop", "ujson")},
    }


def _processor() -> str:
    try:
        about = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        return about.split("model name")[1].split(":")[1].splitlines()[0].strip()
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def _sync_ms() -> float:
    """Return how long the disk takes to make a page safe: it bounds every reply."""
    took = []
    with tempfile.TemporaryFile() as file:
        for _ in range(SYNCS):
            file.write(b"x" * PAGE)
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took)
