"""How stubs break connections off, as a crash or a firewall does."""

import asyncio
import socket
import struct

NO_LINGER = struct.pack("ii", 1, 0)


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Send RST instead of what is still to be sent. Harmless when it's closed."""
    if transport is None or transport.is_closing():
        return
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    transport.abort()
