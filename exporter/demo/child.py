"""
Run one process of ours in the background, with a log file that is kept.

It's started outside our process group, so that Ctrl-C reaches only us and we decide the
order in which things end; and it never outlives us, however we end (short of SIGKILL).
"""

import asyncio
import atexit
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import aiohttp

from exporter.demo.errors import StartError

POLL_SECONDS = 0.05
TAIL_LINES = 15


class Child:
    """A background process that can be started again after it ended."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
    ) -> None:
        """Prepare *command*; *log* gets its output, also that of later starts."""
        self.name = name
        self.log = log
        self._command = list(command)
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def status(self) -> int | None:
        """The exit status of the last run; None while it runs and before the first."""
        return self._process.poll() if self._process else None

    async def start(self, ready: str, *, within: float) -> None:
        """Return when the URL *ready* answers 200; raise if the process ends before."""
        self._spawn()
        try:
            async with asyncio.timeout(within), aiohttp.ClientSession() as session:
                await until(lambda: self._answers(session, ready))
        except TimeoutError as error:
            raise self._failed(f"was not ready after {within:g} seconds") from error
        except BaseException:
            self.kill()
            raise

    async def stop(self, *, within: float = 30) -> int | None:
        """Ask it to end and return its exit status; insist when time is over."""
        if self._process is None:
            return None
        self._process.terminate()
        try:
            async with asyncio.timeout(within):
                await until(self._has_ended)
        except TimeoutError:
            pass
        finally:
            self.kill()
        return self.status

    def kill(self) -> None:
        """End it at once, as a power cut would. Harmless when it has ended."""
        atexit.unregister(self.kill)
        if self._process is None or self._process.poll() is not None:
            return
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _spawn(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self.log.parent,
                start_new_session=True,
            )
        atexit.register(self.kill)

    async def _answers(self, session: aiohttp.ClientSession, url: str) -> bool:
        if await self._has_ended():
            raise self._failed(f"ended with status {self.status}")
        try:
            async with session.get(url) as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def _has_ended(self) -> bool:
        return self.status is not None

    def _failed(self, problem: str) -> StartError:
        self.kill()
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        last_words = "\n".join(["Its log ends so:", *lines])
        return StartError(f"{self.name} {problem}", remedy=last_words)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return when *condition* holds. Other processes can't wake us, so we look."""
    while not await condition():  # noqa: ASYNC110
        await asyncio.sleep(POLL_SECONDS)
