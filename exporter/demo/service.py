"""Run the exporter as its users do: its own process, configured by its environment."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from exporter.demo.child import Child
from exporter.demo.ports import LOOPBACK, free_port, usual_port

START_SECONDS = 20

PACKAGES = Path(__file__).parents[2]


class Service:
    """The whole exporter, between a broker and a backend."""

    def __init__(
        self,
        work: Path,
        backend_url: str,
        *,
        ingest_port: int = 0,
        admin_port: int = 0,
        **settings: str,
    ) -> None:
        """Keep spool and log in *work*; *settings* are those of the exporter."""
        self.ingest_port = ingest_port or free_port()
        self.admin_port = admin_port or free_port()
        self.ingest_url = f"http://{LOOPBACK}:{self.ingest_port}"
        self.admin_url = f"http://{LOOPBACK}:{self.admin_port}"
        values = {
            "URL": backend_url,
            "SPOOL_DIR": str(work / "spool"),
            "INGEST_PORT": str(self.ingest_port),
            "ADMIN_PORT": str(self.admin_port),
            **settings,
        }
        self.child = Child(
            "The exporter",
            [sys.executable, "-m", "exporter", "run"],
            log=work / "exporter.log",
            environment=_inherited()
            | {f"APP_INTEGRATIONS_{name}": value for name, value in values.items()},
        )

    async def start(self) -> None:
        """Return when it accepts records."""
        await self.child.start(f"{self.admin_url}/readyz", within=START_SECONDS)

    async def stop(self) -> int | None:
        """Let it deliver what it holds, and return its exit status."""
        return await self.child.stop()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.child.kill()


def usual_service(work: Path, backend_url: str, say: Callable[[str], None]) -> Service:
    """Return an exporter on the ports that its users know."""
    return Service(
        work,
        backend_url,
        ingest_port=usual_port(9280, "the exporter's ingest", say),
        admin_port=usual_port(9281, "the exporter's metrics and health", say),
        LOG_FORMAT="text",
    )


def _inherited() -> dict[str, str]:
    # The settings of the user's own exporter aren't for ours. And as it's started in
    # another directory, it's told where the package is that we were loaded from.
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("APP_INTEGRATIONS_")
    } | {"PYTHONPATH": str(PACKAGES)}
