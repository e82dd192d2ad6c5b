"""One keep-alive connection to a search server, with the time-outs of Java's client."""

import asyncio
from typing import NamedTuple


class Answer(NamedTuple):
    """What came back; the names of its headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """It is opened when it is needed, and again after anything went wrong."""

    def __init__(self, address: tuple[str, int, bool], seconds: float) -> None:
        """Wait *seconds* for the connection, and again for each piece of an answer."""
        self._host, self._port, self._tls = address
        self._seconds = seconds
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, request: bytes) -> Answer:
        """Return the answer; raise OSError, EOFError or ValueError if there is none."""
        try:
            answer = await self._exchange(request)
        except BaseException:
            self.close()
            raise
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    def close(self) -> None:
        """Close the connection, if it is open."""
        if self._writer:
            self._writer.close()
        self._reader = self._writer = None

    async def _exchange(self, request: bytes) -> Answer:
        reader, writer = self._reader, self._writer
        if not reader or not writer or reader.at_eof() or writer.is_closing():
            self.close()
            async with asyncio.timeout(self._seconds):
                reader, writer = await asyncio.open_connection(
                    self._host, self._port, ssl=self._tls or None
                )
            self._reader, self._writer = reader, writer
        async with asyncio.timeout(self._seconds):
            writer.write(request)
            await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        parts = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in parts}
        status = int(first.split(" ")[1])
        return Answer(status, headers, await self._body(reader, headers))

    async def _body(
        self, reader: asyncio.StreamReader, headers: dict[str, str]
    ) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return await self._read(reader, int(headers.get("content-length", 0)))
        body, size = b"", -1
        while size:
            async with asyncio.timeout(self._seconds):
                size = int(await reader.readuntil(b"\r\n"), 16)
            body += (await self._read(reader, size + 2))[:-2]
        return body

    async def _read(self, reader: asyncio.StreamReader, size: int) -> bytes:
        """Return so many bytes; only a pause between two pieces may be too long."""
        body = b""
        while len(body) < size:
            async with asyncio.timeout(self._seconds):
                piece = await reader.read(size - len(body))
            if not piece:
                raise EOFError
            body += piece
        return body
