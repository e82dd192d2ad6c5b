"""Find ports on the loopback that nobody listens on."""

import random
import socket
from collections.abc import Callable

LOOPBACK = "127.0.0.1"


# Below those that systems take for outgoing connections: a port that is free now must
# not become the far end of somebody's connection while its server is away.
RANDOM_PORTS = range(20_000, 32_000)


def free_port(preferred: int = 0) -> int:
    """Return *preferred* if it's free, else any port that is."""
    port = preferred or random.choice(RANDOM_PORTS)  # noqa: S311 -- no secret
    while not _is_free(port):
        port = random.choice(RANDOM_PORTS)  # noqa: S311
    return port


def usual_port(usual: int, whose: str, say: Callable[[str], None]) -> int:
    """Return the *usual* port if it's free, else another one, and say so."""
    port = free_port(usual)
    if port != usual:
        say(f"Port {usual} is taken, so {whose} uses {port} this time.")
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # A server may bind although an old connection lingers, so the probe may too.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
