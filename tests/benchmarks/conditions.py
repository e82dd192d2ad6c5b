"""The machine and software of a measurement."""

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import psutil

SYNCS, PAGE = 200, 4096


def conditions() -> dict[str, str]:
    """Return the conditions that affect the figures."""
    memory = psutil.virtual_memory().total / 1024**3
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "system": f"{platform.system()} {platform.release()}",
        "machine": f"{os.cpu_count()} x {_processor()}, {memory:.0f} GiB",
        "load before": " ".join(f"{load:.2f}" for load in psutil.getloadavg()),
        "one fsync": f"{_sync_ms():.2f} ms in {tempfile.gettempdir()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in ("aiohttp", "uvloop", "msgspec", "ujson")},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _sync_ms() -> float:
    """Return the time to sync a page to disk, the lower limit of a reply."""
    took = []
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(SYNCS):
            file.write(b"x" * PAGE)
            started = time.perf_counter()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took)
