"""The exporter as a process that is killed and restarted with the same spool."""

import contextlib
from pathlib import Path

from devkit import processes
from devkit.processes import ROOT, StartError
from devkit.waiting import eventually
from tests.faults.history import History, Life


class Exporter(processes.Exporter):
    """`python -m exporter run`; each start is a life in the history."""

    def __init__(
        self,
        directory: Path,
        url: str,
        history: History,
        source: Path = ROOT,
        **settings: object,
    ) -> None:
        super().__init__(directory, url, source=source, **settings)
        self._history = history

    def spawn(self) -> None:
        """Start another life."""
        self._history.lives.append(Life())
        super().spawn()

    async def begin(self) -> None:
        """Start another life; wait until the exporter is ready or has ended."""
        with contextlib.suppress(StartError):
            await self.run()

    def crash(self) -> None:
        """Kill the process, like a power cut; record if it had ended before."""
        life = self._history.lives[-1]
        life.status = self.status
        life.killed = life.status is None
        self.kill()

    async def finish(self) -> None:
        """Let the exporter drain and end; record an exit status other than 0."""
        life = self._history.lives[-1]
        life.status = self.status
        if not self.has_ended:
            await self.stop()
            life.status = self.status or None

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended by itself."""
        return self.status is not None

    async def shows(self, metric: str, least: float, *, within: float) -> None:
        """Wait until *metric* is at least *least*, or the process has ended."""

        async def enough() -> bool:
            return (await self.metrics()).get(metric, -1.0) >= least or self.has_ended

        await eventually(enough, within=within)
