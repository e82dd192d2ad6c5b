"""Requests go where the URL says, byte for byte, and to its current address."""

import socket

import pytest

from devkit.backend import Backend
from devkit.proxy import Proxy
from devkit.waiting import eventually
from exporter.delivery import connection, empty
from exporter.delivery.outcome import Failure
from tests.records import tasks

HOST = "backend.invalid"


@pytest.mark.parametrize(
    "target, sent",
    [
        ("/a%28b%29/%7Euser?x=%2F&y=a%20b+c&z=%7e", None),
        ("/a/../b//c/./d", None),
        ("/in?code=a==&sig={b}|^", None),
        ("/;v=1", None),
        ("/%", None),
        ("/ä%28?ö=%2F", "/%C3%A4%28?%C3%B6=%2F"),  # HTTP can't carry these letters
    ],
)
@pytest.mark.parametrize("proxied", [False, True])
async def test_the_url_is_sent_as_configured(connect, target, sent, proxied):
    """Path and query arrive byte for byte, through a proxy as well."""
    async with Proxy(http=True) as server:
        server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        address = f"http://127.0.0.1:{server.port}"
        origin = "http://backend.example" if proxied else address
        proxies = {"http": address} if proxied else {}
        async with connect(url=f"{origin}{target}#part", proxies=proxies) as backend:
            assert (await backend.post(empty())).status == 200

    shown = f"{origin if proxied else ''}{sent or target}"
    assert server.heads[0].split("\r\n")[0] == f"POST {shown} HTTP/1.1"


async def test_a_name_that_does_not_resolve(connect):
    """A name that does not resolve is a failure of its own kind, and is shown."""
    async with connect(url=f"http://{HOST}/") as backend:
        answer = await backend.post(empty())

    assert answer.failure is Failure.NAME
    assert HOST in answer.detail


async def test_an_address_that_changes_under_load(start, backend, monkeypatch, skip):
    """A new address is used within a minute, though connections never become idle."""
    monkeypatch.setattr(connection, "RESOLVE_AGAIN_SECONDS", 0)
    monkeypatch.setattr(connection, "GREATEST_AGE_SECONDS", 5.0)
    resolve, address = socket.getaddrinfo, "127.0.0.1"

    def getaddrinfo(host, *args, **more):
        return resolve(address if host == HOST else host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    other = Backend(port=backend.port)
    other.host = "127.0.0.2"
    async with other:
        exporter = await start(url=backend.url.replace("127.0.0.1", HOST))
        for position in range(1, 10):
            await exporter.bulk(tasks(position))
            await eventually(
                lambda n=position: len(backend.positions + other.positions) == n
            )
            address = "127.0.0.1" if position < 3 else other.host
            skip(1)
        await exporter.stop()

    assert len({each.connection for each in backend.requests}) < len(backend.requests)
    assert other.requests
    assert {each.status for each in [*backend.requests, *other.requests]} == {200}
