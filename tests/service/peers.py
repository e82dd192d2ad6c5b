"""Backends that behave as no HTTP server should, connection by connection."""

import asyncio
from contextlib import asynccontextmanager, suppress

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@asynccontextmanager
async def peer(*answers):
    """
    Listen, and answer each connection by the next of *answers*, the last one again.

    Yields the URL and the list of the requests' beginnings.
    """
    left, begun, handlers = list(answers), [], []

    async def answer(reader, writer):
        handlers.append(asyncio.current_task())
        speak = left.pop(0) if len(left) > 1 else left[0]
        begun.append(await reader.readuntil(b"]}"))
        with suppress(ConnectionError):  # the exporter may hang up at any time
            await speak(reader, writer)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}/events", begun
    finally:
        server.close()
        await asyncio.gather(*handlers)


async def accept(_, writer):
    """Answer like a backend that is well, and hang up."""
    writer.write(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    await writer.drain()


async def accept_and_close_soon(reader, writer):
    """Accept, keep the connection open, and close it before long without a word."""
    writer.write(OK)
    await writer.drain()
    with suppress(TimeoutError):
        async with asyncio.timeout(0.001):
            await reader.read(1)


async def be_silent(reader, _):
    """Say nothing until the other side hangs up."""
    await reader.read()


async def stub_dripping(reader, writer):
    """Send the head of an answer a little at a time, and never its end."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not reader.at_eof():
        writer.write(b"X-Drip: 1\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


async def never_end(reader, writer):
    """Accept, and begin a body that never ends."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nthank you")
    await reader.read()


async def never_stop(reader, writer):
    """Accept, and send more and more of a body."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not reader.at_eof():
        writer.write(bytes(8192))
        await writer.drain()


async def hang_up(_, writer):
    """Close the connection without a word."""
    writer.close()
