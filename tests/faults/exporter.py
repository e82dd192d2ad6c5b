"""The exporter as a process, killed and started again on the same spool."""

import contextlib
from pathlib import Path

import psutil

from devkit import processes
from devkit.processes import ROOT, StartError
from devkit.waiting import eventually
from tests.faults.history import History, Life


class Exporter(processes.Exporter):
    """`python -m exporter run`, whose lives are noted in a history."""

    def __init__(
        self,
        directory: Path,
        url: str,
        history: History,
        source: Path = ROOT,
        **settings: object,
    ) -> None:
        """Run the package in *source*; keep spool and log in *directory*."""
        super().__init__(directory, url, source=source, **settings)
        self._history = history

    def spawn(self) -> None:
        """Begin another life."""
        self._history.lives.append(Life())
        super().spawn()

    async def begin(self) -> None:
        """Begin another life; return when the exporter is ready, or has ended."""
        with contextlib.suppress(StartError):
            await self.run()

    def crash(self) -> None:
        """Kill the process, as a power cut would; note if it had ended before."""
        life = self._history.lives[-1]
        life.status = self.status
        life.killed = life.status is None
        self.kill()

    async def finish(self) -> None:
        """Let the exporter deliver its events and end; note an end of another kind."""
        life = self._history.lives[-1]
        life.status = self.status
        if not self.has_ended:
            await self.stop()
            life.status = self.status or None

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended by itself."""
        return self.status is not None

    @property
    def process(self) -> psutil.Process:
        """The process, to be measured."""
        return psutil.Process(self.pid)

    async def shows(self, metric: str, least: float, *, within: float) -> None:
        """Return once *metric* is at least *least*, or the process has ended."""

        async def enough() -> bool:
            return (await self.metrics()).get(metric, -1.0) >= least or self.has_ended

        await eventually(enough, within=within)
