"""A small HTTP proxy that leads every name to one port, and keeps what it was asked."""

import asyncio
import base64
import contextlib


class ProxyStub:
    """Tunnels CONNECT and passes on plain requests; `answer` refuses all instead."""

    def __init__(self, port):
        """Lead to *port* of this machine, whatever name is asked for."""
        self.port = port
        self.answer = None
        self.heads = []
        self._open = set()

    @property
    def lines(self):
        """The first line of every request, oldest first."""
        return [head.partition("\r\n")[0] for head in self.heads]

    def authorizations(self):
        """Return user and password of every request, None where there is none."""
        return [_authorization(head) for head in self.heads]

    async def serve(self, reader, writer):
        """Serve one connection."""
        task = asyncio.current_task()
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        with contextlib.suppress(asyncio.CancelledError, OSError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head.decode())
            if self.answer:
                writer.write(self.answer)
            else:
                await self._lead(head, reader, writer)
        writer.close()

    async def _lead(self, head, reader, writer):
        there, on = await asyncio.open_connection("127.0.0.1", self.port)
        if head.startswith(b"CONNECT "):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            method, url, rest = head.split(b" ", 2)
            path = b"/" + url.split(b"/", 3)[3]
            on.write(b" ".join([method, path, rest]))
        pumps = [_pump(reader, on), _pump(there, writer)]
        try:
            await asyncio.gather(*pumps)
        finally:
            on.close()

    async def close(self):
        """End what is still open."""
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)


async def _pump(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


def _authorization(head):
    for line in head.splitlines():
        name, _, value = line.partition(": ")
        if name.lower() == "proxy-authorization":
            return base64.b64decode(value.removeprefix("Basic ")).decode()
    return None


@contextlib.asynccontextmanager
async def proxying(backend_port):
    """Yield a proxy that leads to *backend_port*, and its address."""
    stub = ProxyStub(backend_port)
    async with await asyncio.start_server(stub.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield stub, f"127.0.0.1:{port}"
        await stub.close()
