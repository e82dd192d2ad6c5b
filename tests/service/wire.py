"""A raw connection to the ingest port."""

import asyncio
import socket
from contextlib import asynccontextmanager, suppress

from devkit.waiting import eventually
from tests.service.running import Reply

CHUNK = 1000
POST = b"POST /_bulk HTTP/1.1\r\nHost: 127.0.0.1\r\n"


class Wire:
    """A raw connection."""

    def __init__(self, reader, writer):
        self._reader = reader
        self._writer = writer

    async def send(self, *parts):
        """Send *parts* one by one."""
        for part in parts:
            self._writer.write(part)
            await self._writer.drain()

    async def reply(self):
        """Return the next answer."""
        _, status, _ = (await self._reader.readline()).split(b" ", 2)
        headers = {}
        while line := (await self._reader.readline()).strip():
            name, _, value = line.decode().partition(": ")
            headers[name] = value
        body = await self._reader.readexactly(int(headers["Content-Length"]))
        return Reply(int(status), headers, body)

    async def ask(self, *parts):
        """Send *parts* and return the answer."""
        await self.send(*parts)
        return await self.reply()

    async def is_open(self, *, after=30.0):
        """Return whether the other side keeps the connection for *after* seconds."""
        try:
            async with asyncio.timeout(after):
                return await self._reader.read(1) != b""
        except TimeoutError:
            return True
        except ConnectionError:
            return False


def as_sent(request):
    """Return the parts of a recorded *request*, with its headers and framing."""
    headers = "".join(f"{name}: {value}\r\n" for name, value in request["headers"])
    line = f"{request['method']} {request['path']} HTTP/{request['http']}\r\n"
    head, body = f"{line}{headers}\r\n".encode(), request["body"].encode()
    if ["Transfer-Encoding", "chunked"] in request["headers"]:
        return [head, *chunked(body), b"0\r\n\r\n"]
    return [head, body]


def chunked(body):
    """Yield the chunks of *body* with their framing."""
    for start in range(0, len(body), CHUNK):
        part = body[start : start + CHUNK]
        yield b"%x\r\n%b\r\n" % (len(part), part)


@asynccontextmanager
async def connected(address):
    """Connect to *address* during the block."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):  # the other side may not have read everything
            await writer.wait_closed()


async def refuses(address):
    """Return whether nothing listens at *address*."""
    try:
        async with connected(address):
            return False
    except ConnectionRefusedError:
        return True


async def refusal(address):
    """Wait until nothing listens at *address*."""
    host, _, port = address.rpartition(":")

    def is_free():
        # Connecting to a server that is just being closed would leave a connection.
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, int(port)))
            return True

    await eventually(is_free)
