"""What a backend refuses is kept: nothing is dropped, and the rest goes on."""

import pytest

from tests.conftest import eventually
from tests.records import a_record, bulk, instance, tasks


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_retries_until_accepted(start, backend, status):
    """A backend that has trouble gets the same batch until it accepts it."""
    statuses = iter([status] * 5)
    backend.answer = lambda _: next(statuses, 200)
    exporter = await start()

    await exporter.bulk(tasks(1, 2, 3))
    await eventually(lambda: backend.accepted)

    assert [post.positions for post in backend.posts] == [[1, 2, 3]] * 6
    assert [post.status for post in backend.posts] == [status] * 5 + [200]
    (trouble,) = exporter.lines.saying("batch not delivered")
    assert (trouble.outcome, trouble.attempt) == ("postponed", 1)
    await eventually(lambda: exporter.lines.saying("the backend accepts events again"))


@pytest.mark.parametrize(
    "status, outcome",
    [
        (400, "rejected"),
        (413, "rejected"),
        (422, "rejected"),
        (301, "blocked"),
        (302, "blocked"),
        (401, "blocked"),
        (403, "blocked"),
        (404, "blocked"),
    ],
)
async def test_refused_batches_are_kept(start, backend, status, outcome):
    """What is refused stays, and is delivered once the backend changes its mind."""
    backend.answer = status
    exporter = await start()

    await exporter.bulk(tasks(1, 2))
    await eventually(lambda: len(backend.posts) >= 3)
    metrics = await exporter.metrics()
    backend.answer = 200
    await eventually(lambda: backend.accepted)
    await exporter.bulk(tasks(3))
    await eventually(lambda: len(backend.positions) == 3)

    assert backend.positions == [1, 2, 3]
    assert metrics["spool_events"] == 2
    assert metrics["spool_dead_letters"] == 0
    assert metrics[f"delivery_attempts_total {outcome}"] >= 2
    (trouble,) = exporter.lines.saying("batch not delivered")
    assert trouble.outcome == outcome
    assert trouble.reason.startswith(str(status))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_never_followed(start, backend, status):
    """A redirect is a mistake in the setup: nothing is sent where it leads."""
    elsewhere = backend.server.expect_request("/elsewhere")
    elsewhere.respond_with_data("not expected")
    backend.answer = status
    backend.headers["Location"] = backend.server.url_for("/elsewhere?token=ours")
    exporter = await start()

    await exporter.bulk(tasks(1))
    await eventually(lambda: len(backend.posts) >= 3)

    assert {request.path for request, _ in backend.server.log} == {"/events"}
    (trouble,) = exporter.lines.saying("batch not delivered")
    assert trouble.reason.endswith("/elsewhere")


async def test_five_bad_events_among_500(start, backend):
    """A bad event keeps its batch waiting, and nobody else; none is ever dropped."""
    bad = {30, 130, 230, 330, 430}
    backend.answer = lambda post: 200 if bad.isdisjoint(post.positions) else 400
    # One slot more than there are batches to refuse, so one is always free.
    exporter = await start(batch_size=50, max_batches_in_flight=len(bad) + 1)
    records = [
        a_record(position, value=instance(position)) for position in range(1, 501)
    ]

    def refused():
        return {tuple(post.positions) for post in backend.posts if post.status == 400}

    await exporter.bulk(bulk(*records))
    await eventually(lambda: len(backend.positions) == 250 and len(refused()) == 5)
    before, kept = set(backend.positions), set().union(*refused())
    metrics = await exporter.metrics()
    backend.answer = 200
    await eventually(lambda: len(backend.positions) == 500)

    assert bad < kept
    assert before == set(range(1, 501)) - kept
    assert metrics["spool_dead_letters"] == 0
    assert sorted(backend.positions) == list(range(1, 501))
    assert refused() < {tuple(post.positions) for post in backend.accepted}
