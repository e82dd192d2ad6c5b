"""
Several brokers, of which one leads; if the leader ends, another broker takes over.

This is simpler than a real cluster: the brokers share a directory, and the broker that
locks a file there leads. The others forward connections to it. The system releases the
lock of a killed process, and another broker continues with the same journal and
snapshot. There is no majority, and a leader that hangs isn't replaced.
"""

import asyncio
import fcntl
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TextIO

from devkit.arguments import first_of
from devkit.processes import LOOPBACK
from devkit.proxy import Proxy
from devkit.stories import CannotStartError

LOOK_SECONDS = 0.2
PORTS = "SERVER_PORT", "MANAGEMENT_SERVER_PORT"
SHARED = "RECORDED_ENGINE_SHARED"
"""The variable that names the directory of a cluster."""


def members(environ: Mapping[str, str]) -> tuple[list[str], int]:
    """Return the hosts of all brokers in a cluster, and the number of this one."""
    contacts, number = (
        first_of(environ, f"ZEEBE_BROKER_CLUSTER_{name}", f"CAMUNDA_CLUSTER_{name}")
        for name in ("INITIALCONTACTPOINTS", "NODEID")
    )
    hosts = [each.partition(":")[0].strip() for each in contacts.split(",")]
    return hosts, int(number or 0)


@asynccontextmanager
async def leading(
    environ: Mapping[str, str], data: Path | None
) -> AsyncIterator[Path | None]:
    """
    Wait until this broker leads; yield the directory for its state.

    Until then, forward connections to the leader. A single broker leads at once.
    """
    hosts, number = members(environ)
    if len(hosts) == 1:
        yield data
        return
    if not environ.get(SHARED):
        raise CannotStartError(f"A cluster needs a shared directory: set {SHARED}")
    shared = Path(environ[SHARED])
    ports = [int(environ[each]) for each in PORTS]
    with (shared / "leader.json").open("a+") as file:
        async with AsyncExitStack() as stack:
            proxies = [Proxy(port=port) for port in ports]
            for each in proxies:
                each.host = environ.get("SERVER_ADDRESS", LOOPBACK)
                await stack.enter_async_context(each)
            while not _locked(file):
                file.seek(0)
                leader = json.loads(file.read() or "{}")
                for proxy, port in zip(proxies, leader.get("ports", ()), strict=False):
                    proxy.target_host, proxy.target = leader["host"], port
                await asyncio.sleep(LOOK_SECONDS)
        file.truncate(0)
        file.write(json.dumps({"host": hosts[number], "ports": ports}))
        file.flush()
        yield shared


def _locked(file: TextIO) -> bool:
    """Lock *file* if no other process has locked it; return whether it is ours."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
