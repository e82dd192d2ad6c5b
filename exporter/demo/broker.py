"""
Run a real Camunda broker on this machine: unmodified, alone, on the loopback.

It needs no database and no container. Its data and logs live in the directory it's
given, so several can run side by side and one can start again on what it had.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

import aiohttp

from exporter.demo.child import Child, until
from exporter.demo.errors import EngineError
from exporter.demo.ports import LOOPBACK, free_port, usual_port

START_SECONDS = 120

JAVA_OPTIONS = (
    "-Xmx512m",
    # A broker of minutes gains more from a start twice as fast than from the best code.
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Dfile.encoding=UTF-8",
)


@dataclass(frozen=True, slots=True)
class BrokerPorts:
    """The ports a broker listens on."""

    rest: int
    management: int
    gateway: int
    command: int
    internal: int

    @classmethod
    def usual(cls, say: Callable[[str], None]) -> Self:
        """Return the ports everyone knows; *say* which of them are others today."""
        return cls(
            rest=usual_port(8080, "the engine's REST API", say),
            management=usual_port(9600, "the broker's management", say),
            gateway=usual_port(26500, "the broker's gateway", say),
            command=usual_port(26501, "the broker's command API", say),
            internal=usual_port(26502, "the broker's internal API", say),
        )

    @classmethod
    def free(cls) -> Self:
        """Return ports that no other broker on this machine uses."""
        ports: set[int] = set()
        while len(ports) < 5:
            ports.add(free_port())
        return cls(*ports)


class Broker:
    """One real broker: started, stopped, killed and started again on the same data."""

    def __init__(
        self,
        java: Path,
        home: Path,
        work: Path,
        *,
        environment: Mapping[str, str],
        ports: BrokerPorts | None = None,
    ) -> None:
        """Use the unpacked broker at *home*; keep data and logs in *work*."""
        self.ports = ports or BrokerPorts.free()
        self.rest_url = f"http://{LOOPBACK}:{self.ports.rest}"
        self.management_url = f"http://{LOOPBACK}:{self.ports.management}"
        self._child = Child(
            "The broker",
            _command(java, home, work),
            log=work / "broker.log",
            environment=_inherited() | _network(self.ports) | dict(environment),
        )

    async def start(self) -> None:
        """Return when the engine takes commands."""
        ready = f"{self.management_url}/actuator/health/readiness"
        await self._child.start(ready, within=START_SECONDS)
        async with aiohttp.ClientSession() as session, asyncio.timeout(START_SECONDS):
            # Ready means that it listens; only a partition's leader takes commands.
            await until(lambda: self._leads(session))

    async def stop(self) -> None:
        """Shut it down in order; it can be started again on its data."""
        await self._child.stop()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._child.kill()

    async def pause_exporting(self) -> None:
        """Let records pile up in the engine's log until `resume_exporting`."""
        await self._manage("exporting/pause")

    async def resume_exporting(self) -> None:
        """Let all exporters go on where they stopped."""
        await self._manage("exporting/resume")

    async def shift_clock(self, milliseconds: int) -> None:
        """Move the engine's clock; needs ZEEBE_CLOCK_CONTROLLED=true."""
        await self._manage("clock/add", {"offsetMilli": milliseconds})

    async def _manage(self, path: str, body: object = None) -> None:
        url = f"{self.management_url}/actuator/{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, json=body) as answer,
        ):
            if not answer.ok:
                raise EngineError(answer.status, f"POST {url}", await answer.text())

    async def _leads(self, session: aiohttp.ClientSession) -> bool:
        async with session.get(f"{self.rest_url}/v2/topology") as answer:
            topology = await answer.json()
        return any(
            partition["role"] == "leader" and partition["health"] == "healthy"
            for broker in topology["brokers"]
            for partition in broker["partitions"]
        )


def _command(java: Path, home: Path, work: Path) -> list[str]:
    # What bin/broker does, without a shell and without writing below *home*.
    return [
        str(java),
        *JAVA_OPTIONS,
        "-classpath",
        f"{home}/config:{home}/lib/*",
        "-Dapp.name=broker",
        f"-Dapp.home={work}",
        f"-Dbasedir={work}",
        f"-Djava.io.tmpdir={work}",  # else its web server leaves folders in /tmp
        "io.camunda.application.StandaloneBroker",
    ]


def _inherited() -> dict[str, str]:
    # A variable of the user's own broker would change ours.
    ours = ("ZEEBE_", "CAMUNDA_", "SPRING_", "SERVER_", "MANAGEMENT_", "JAVA_")
    return {name: os.environ[name] for name in os.environ if not name.startswith(ours)}


def _network(ports: BrokerPorts) -> dict[str, str]:
    rest, management, gateway, command, internal = map(str, astuple(ports))
    contact = f"{LOOPBACK}:{internal}"
    return {
        "SERVER_ADDRESS": LOOPBACK,
        "SERVER_PORT": rest,
        "MANAGEMENT_SERVER_ADDRESS": LOOPBACK,
        "MANAGEMENT_SERVER_PORT": management,
        "ZEEBE_BROKER_NETWORK_HOST": LOOPBACK,
        "ZEEBE_BROKER_GATEWAY_NETWORK_HOST": LOOPBACK,
        "ZEEBE_BROKER_GATEWAY_NETWORK_PORT": gateway,
        "ZEEBE_BROKER_NETWORK_COMMANDAPI_PORT": command,
        "ZEEBE_BROKER_NETWORK_INTERNALAPI_PORT": internal,
        "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS": contact,
        "ZEEBE_BROKER_GATEWAY_CLUSTER_INITIALCONTACTPOINTS": contact,
    }
