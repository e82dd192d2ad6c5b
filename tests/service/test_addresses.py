"""Requests go where the URL says, byte for byte, and to the address it has now."""

import socket

import pytest

from devkit.backend import Backend
from devkit.proxy import Proxy
from devkit.waiting import eventually
from exporter.delivery import connection, empty
from tests.records import tasks

HOST = "backend.invalid"


@pytest.mark.parametrize(
    "target",
    [
        "/a%28b%29/%7Euser?x=%2F&y=a%20b+c&z=%7e",
        "/a/../b//c/./d",
        "/in?code=a==&sig={b}|^",
        "/;v=1",
        "/%",
    ],
)
@pytest.mark.parametrize("proxied", [False, True])
async def test_the_url_is_sent_as_configured(connect, target, proxied):
    """Its path and its query arrive byte for byte, through a proxy as well."""
    async with Proxy(http=True) as server:
        server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        address = f"http://127.0.0.1:{server.port}"
        origin = "http://backend.example" if proxied else address
        proxies = {"http": address} if proxied else {}
        made = connect(url=f"{origin}{target}#part", proxies=proxies)
        async with made as backend:
            assert (await backend.post(empty())).status == 200

    shown = f"{origin if proxied else ''}{target}"
    assert server.heads[0].split("\r\n")[0] == f"POST {shown} HTTP/1.1"


async def test_a_url_that_is_not_ascii(connect):
    """What HTTP can't carry is encoded, and the rest stays."""
    async with Proxy(http=True) as server:
        server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        url = f"http://127.0.0.1:{server.port}/ä%28?ö=%2F"
        async with connect(url=url) as backend:
            await backend.post(empty())

    assert server.heads[0].startswith("POST /%C3%A4%28?%C3%B6=%2F HTTP/1.1")


async def test_an_address_that_changes_under_load(start, backend, monkeypatch, skip):
    """The new one is used within a minute, though connections never become idle."""
    monkeypatch.setattr(connection, "RESOLVE_AGAIN_SECONDS", 0)
    resolve, address = socket.getaddrinfo, "127.0.0.1"

    def getaddrinfo(host, *args, **more):
        return resolve(address if host == HOST else host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    other = Backend(port=backend.port)
    other.host = "127.0.0.2"
    async with other:
        exporter = await start(url=backend.url.replace("127.0.0.1", HOST))
        for position in range(1, 4 + int(connection.GREATEST_AGE_SECONDS)):
            await exporter.bulk(tasks(position))
            await eventually(
                lambda n=position: len(backend.positions + other.positions) == n
            )
            address = "127.0.0.1" if position < 3 else other.host
            skip(1)
        await exporter.stop()

    assert len({each.connection for each in backend.requests}) < len(backend.requests)
    assert {each.status for each in [*backend.requests, *other.requests]} == {200}
    assert other.requests


def test_within_a_minute():
    """A connection and what is remembered about names don't last longer together."""
    assert connection.GREATEST_AGE_SECONDS + connection.RESOLVE_AGAIN_SECONDS <= 60
