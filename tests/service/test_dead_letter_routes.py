"""Dead letters on the admin port: pages, and wrong requests."""

import pytest

from tests.service.refused import given_up


@pytest.fixture
def ask(token):
    """Return a function that asks the admin port as the commands do."""

    async def demand(exporter, method, path, **more):
        return await exporter.demand(method, path, token(), **more)

    return demand


async def test_pages(start, backend, ask):
    """The admin port shows dead letters in pages, from either end."""
    exporter = await start()
    await given_up(exporter, backend, *range(1, 9), bad=[2, 5, 8])

    async def ids(**query):
        reply = await ask(exporter, "GET", "/dead-letters", params=query)
        return [each["id"] for each in reply.json["dead_letters"]], reply.json["next"]

    assert await ids(limit=2) == ([1, 2], 2)
    assert await ids(limit=2, after=2) == ([3], None)
    assert await ids(limit=2, order="newest") == ([3, 2], 2)
    assert await ids(before=2, order="newest") == ([1], None)
    assert await ids(ids="3,1,99") == ([1, 3], None)


WRONG_QUERIES = (
    *("limit=0", "limit=501", "after=-1", "before=99999999999999999999"),
    *("ids=1,two", f"ids={'1,' * 1000}1", "order=up", "body=maybe", "reason=x"),
)


async def test_wrong_queries(start, ask):
    """A wrong query is answered with the name of its wrong parameter."""
    exporter = await start()

    for query in WRONG_QUERIES:
        reply = await ask(exporter, "GET", f"/dead-letters?{query}")

        assert reply.status == 400
        assert f" isn't valid: {query.partition('=')[0]}: " in reply.json["error"]


WRONG_BODIES = {
    b"{": "the body isn't JSON",
    b"[]": "the body: invalid input type",
    b'{"status": 422}': "ids: missing",
    b'{"ids": [0, 0], "to": 1}': "ids: must be greater than or equal to 1 and ",
    b'{"ids": [true]}': "ids: not a valid integer",
    b'{"ids": [9223372036854775808]}': "ids: must be",
    b'{"ids": [%b1]}' % (b"1," * 1000): "ids: longer than maximum length",
    b'{"ids": null, "status": "422"}': "status: not a valid integer",
    b'{"ids": null, "status": null}': "status: field may not be null",
    b'{"ids": null, "backend": ""}': "backend: must be a backend's name",
    b'{"ids": null, "satus": 422}': "satus: unknown field",
}


async def test_wrong_bodies(start, backend, ask):
    """A wrong body changes nothing; the error names each wrong value once, in words."""
    exporter = await start()
    await given_up(exporter, backend, 1, 2, 3, bad=[2])

    for body, problem in WRONG_BODIES.items():
        for verb in ("retry", "drop"):
            reply = await ask(exporter, "POST", f"/dead-letters/{verb}", data=body)

            error = reply.json["error"]
            assert reply.status == 400
            assert error.startswith(f"The request isn't valid: {problem}")
            assert error.endswith(". docs/dead-letters.md describes valid requests")
            assert error.count("ids: ") <= 1
            assert not set("{}[]") & set(error)

    assert (await exporter.metrics())["spool_dead_letters"] == 1


async def test_a_failing_disk(start, backend, disk, ask):
    """While the disk fails, nothing is dropped, and the answer says why."""
    exporter = await start()
    await given_up(exporter, backend, 1, 2, 3, bad=[2])

    disk.failing = True
    reply = await ask(exporter, "POST", "/dead-letters/drop", json={"ids": None})
    disk.failing = False

    assert reply.status == 503
    assert "disk I/O error" in reply.json["error"]
    assert (await exporter.metrics())["spool_dead_letters"] == 1
