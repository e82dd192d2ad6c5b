"""A name that doesn't resolve for a while is nobody's loss."""

import socket

from devkit.waiting import eventually
from tests.records import tasks

HOST = "backend.invalid"


async def test_a_name_that_does_not_resolve(start, backend, monkeypatch):
    """Events wait until the name leads somewhere again, and arrive in order."""
    asked = []
    known = False
    resolve = socket.getaddrinfo

    def getaddrinfo(host, *args, **more):
        if host != HOST:
            return resolve(host, *args, **more)
        asked.append(host)
        if not known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve("127.0.0.1", *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    exporter = await start(url=backend.url.replace("127.0.0.1", HOST))
    await exporter.bulk(tasks(1, 2, 3))
    await eventually(lambda: len(asked) >= 3)
    metrics = await exporter.metrics()
    known = True
    await eventually(lambda: len(backend.positions) == 3)

    assert metrics["delivery_attempts_total postponed"] >= 2
    assert metrics["delivery_attempts_total blocked"] == 0
    assert backend.positions == [1, 2, 3]
