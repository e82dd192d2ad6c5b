"""The exporter as a process of its own, killed and started again on the same spool."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import psutil
from prometheus_client.parser import text_string_to_metric_families

from exporter.demo.ports import LOOPBACK
from tests.conftest import eventually
from tests.faults.history import History, Life

ROOT = Path(__file__).parents[2]
PREFIX = "app_integrations_exporter_"
VARIABLE = "APP_INTEGRATIONS_"
POLL_SECONDS = 0.02
START_SECONDS = 30.0
BACKEND = "default"
STOP_SECONDS = 30.0


class Exporter:
    """`python -m exporter run`, one life after the other."""

    def __init__(
        self, directory: Path, history: History, source: Path, variables: dict[str, str]
    ) -> None:
        """Run the package in *source* with *variables*; keep spool and logs there."""
        self._directory = directory
        self._history = history
        self._source = source
        self._variables = {
            f"{VARIABLE}SPOOL_DIR": str(directory / "spool"),
            f"{VARIABLE}INGEST_PORT": "0",
            f"{VARIABLE}ADMIN_PORT": "0",
            f"{VARIABLE}LOG_FORMAT": "json",
            **variables,
        }
        self._popen: subprocess.Popen[bytes] | None = None
        self.ingest_port = self.admin_port = 0

    @property
    def log(self) -> Path:
        """Where the process of now writes."""
        return self._directory / f"exporter-{len(self._history.lives)}.log"

    def spawn(self) -> None:
        """Begin another life; it serves when `ready` returns."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._history.lives.append(Life())
        with self.log.open("wb") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "exporter", "run"],
                cwd=self._source,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def ready(self) -> None:
        """Return when it serves, or has ended."""
        await eventually(lambda: self._ready() or self.has_ended, within=START_SECONDS)

    def kill(self) -> None:
        """End it at once, as a power cut would; note when it had ended by itself."""
        assert self._popen
        life = self._history.lives[-1]
        life.status = self._popen.poll()
        life.killed = life.status is None
        self._popen.kill()
        self._popen.wait()

    async def stop(self) -> None:
        """Let it deliver what it holds, and note when it doesn't end well."""
        assert self._popen
        life = self._history.lives[-1]
        if self.has_ended:
            life.status = self._popen.returncode
            return
        self._popen.send_signal(signal.SIGTERM)
        await eventually(lambda: self.has_ended, within=STOP_SECONDS)
        life.status = self._popen.returncode or None

    def end(self) -> None:
        """Leave nothing behind, and note nothing."""
        if self._popen:
            self._popen.kill()
            self._popen.wait()

    @property
    def has_ended(self) -> bool:
        """Whether there is no process."""
        return self._popen is None or self._popen.poll() is not None

    @property
    def process(self) -> psutil.Process:
        """The process, to be measured."""
        assert self._popen
        return psutil.Process(self._popen.pid)

    async def metrics(self) -> dict[str, float]:
        """
        Return value by name without our prefix, and labels; {} without a process.

        The only backend isn't named.
        """
        url = f"http://{LOOPBACK}:{self.admin_port}/metrics"
        try:
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                text = await answer.text()
        except aiohttp.ClientError:
            return {}
        return {
            " ".join((sample.name.removeprefix(PREFIX), *labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            for labels in [{**sample.labels}]
            if labels.pop("backend", BACKEND) == BACKEND
        }

    async def eventually(self, metric: str, least: float, *, within: float) -> None:
        """Return once *metric* is *least* or more; fail when it takes too long."""
        async with asyncio.timeout(within):
            # Another process can't wake us, so we look.
            while (await self.metrics()).get(metric, -1.0) < least:
                if self.has_ended:
                    raise TimeoutError
                await asyncio.sleep(POLL_SECONDS)

    def _ready(self) -> bool:
        """Read the ports from the line that tells them, once it's there."""
        whole = self.log.read_text(encoding="utf-8").rpartition("\n")[0]
        for text in whole.splitlines():
            said = json.loads(text) if text.startswith("{") else {}
            if said.get("message") == "ready":
                self.ingest_port = int(said["ingest"].rpartition(":")[2])
                self.admin_port = int(said["admin"].rpartition(":")[2])
                return True
        return False

    def _environment(self) -> dict[str, str]:
        """Return ours without its settings, and with the place of the package."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(VARIABLE)
        }
        return inherited | {"PYTHONPATH": str(self._source)} | self._variables
