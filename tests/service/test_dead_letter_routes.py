"""Dead letters on the admin port: pages, and wrong requests."""

import pytest

from exporter.admin import guard
from tests.service.refused import given_up


@pytest.fixture
def ask(settings):
    """Return a function that asks the admin port as the commands do."""

    async def demand(exporter, method, path, **more):
        token = (settings().spool_dir / guard.FILE).read_text().strip()
        return await exporter.demand(method, path, token, **more)

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
    *("ids=", "ids=1,two", f"ids={'1,' * 1000}1", "order=up", "body=maybe", "reason=x"),
)


async def test_wrong_queries(start, ask):
    """A wrong query is answered with the name of its wrong parameter."""
    exporter = await start()

    for query in WRONG_QUERIES:
        reply = await ask(exporter, "GET", f"/dead-letters?{query}")

        assert reply.status == 400
        assert f" isn't valid: {query.partition('=')[0]}: " in reply.json["error"]


@pytest.mark.parametrize(
    "body, problem",
    [
        (b"{", "the body isn't JSON"),
        (b"[]", "the body: invalid input type"),
        (b'{"ids": [0, 0], "to": 1}', "ids: must be greater than or equal to 1 and "),
        (b'{"ids": null, "status": "1"}', "status: not a valid integer"),
        (b'{"ids": null, "backend": ""}', "backend: must be a backend's name"),
    ],
)
async def test_plain_words(start, ask, body, problem):
    """An error names each wrong value once, in words."""
    exporter = await start()

    reply = await ask(exporter, "POST", "/dead-letters/drop", data=body)

    error = reply.json["error"]
    assert error.startswith(f"The request isn't valid: {problem}")
    assert error.endswith(". docs/dead-letters.md describes valid requests")
    assert error.count("ids: ") <= 1
    assert not set("{}[]") & set(error)


WRONG_BODIES = (
    b"",
    b"{",
    b"[]",
    b"{}",
    b'{"status": 422}',
    b'{"ids": 1}',
    b'{"ids": "1"}',
    b'{"ids": [true]}',
    b'{"ids": ["1"]}',
    b'{"ids": [0]}',
    b'{"ids": [9223372036854775808]}',
    b'{"ids": null, "status": "422"}',
    b'{"ids": null, "status": null}',
    b'{"ids": null, "status": true}',
    b'{"ids": null, "status": 9223372036854775808}',
    rb'{"ids": null, "backend": "\ud800"}',
    b'{"ids": null, "backend": null}',
    b'{"ids": null, "satus": 422}',
    b'{"ids": [%b1]}' % (b"1," * 1000),
)


async def test_wrong_bodies(start, backend, ask):
    """A wrong body changes nothing: it never means every dead letter."""
    exporter = await start()
    await given_up(exporter, backend, 1, 2, 3, bad=[2])

    for body in WRONG_BODIES:
        for verb in ("retry", "drop"):
            reply = await ask(exporter, "POST", f"/dead-letters/{verb}", data=body)
            assert (reply.status, bool(reply.json["error"])) == (400, True)

    assert (await exporter.metrics())["spool_dead_letters"] == 1
