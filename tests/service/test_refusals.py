"""What a backend refuses is kept: nothing is dropped, and the rest goes on."""

import gzip

import pytest

from devkit.backend import HANG, Answer
from devkit.waiting import eventually
from tests.records import a_record, bulk, instance, tasks
from tests.service.running import eventually_metrics


@pytest.mark.parametrize("status", [429, 503])
async def test_retries_until_accepted(start, backend, status):
    """A backend that has trouble gets the same events until it accepts them."""
    statuses = iter([status] * 5)
    backend.answer = lambda _: next(statuses, 200)
    exporter = await start()

    await exporter.bulk(tasks(1, 2, 3))
    await eventually(lambda: len(backend.positions) == 3)

    # After 429 all of them come again as they were, once; else in smaller parts.
    assert backend.positions == [1, 2, 3]
    assert [post.status for post in backend.requests][:6] == [status] * 5 + [200]
    assert (backend.requests[1].positions == [1, 2, 3]) == (status == 429)
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
    await eventually(lambda: len(backend.requests) >= 3)
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
    backend.answer = Answer(status, {"Location": "/elsewhere?token=ours"})
    exporter = await start()

    await exporter.bulk(tasks(1))
    await eventually(lambda: len(backend.requests) >= 3)

    assert backend.strays == []
    (trouble,) = exporter.lines.saying("batch not delivered")
    assert trouble.reason.endswith("/elsewhere")


async def test_five_bad_events_among_500(start, backend):
    """Each bad event is one dead letter, and takes no good one with it."""
    bad = {30, 130, 230, 330, 430}
    backend.answer = lambda post: 200 if bad.isdisjoint(post.positions) else 400
    exporter = await start(batch_size=50)
    records = [
        a_record(position, value=instance(position)) for position in range(1, 501)
    ]

    await exporter.bulk(bulk(*records))
    await eventually(lambda: len(backend.positions) == 495)
    metrics = await eventually_metrics(exporter, spool_events=0)

    assert sorted(backend.positions) == [n for n in range(1, 501) if n not in bad]
    assert metrics["spool_dead_letters"] == 5
    assert metrics["delivery_dead_letters_total"] == 5
    assert len(backend.requests) <= 2 * 10 + 5 * 13
    told = exporter.lines.saying("events became dead letters")
    assert {line.reason for line in told} == {"refused: 400 Bad Request"}


async def test_a_backend_that_echoes_the_request(start, backend, settings):
    """Our key, quoted in its answer, is neither in the log nor in the dead letter."""
    echo = Answer(400, body=b"no event, but your key s3cret-key")
    backend.answer = lambda post: echo if 2 in post.positions else 200
    exporter = await start(api_key="s3cret-key")

    await exporter.bulk(bulk(*(a_record(n, value=instance(n)) for n in (1, 2, 3))))
    await eventually_metrics(exporter, spool_events=0, spool_dead_letters=1)
    token = (settings().spool_dir / "admin.token").read_text().strip()
    page = await exporter.demand("GET", "/dead-letters", token)

    assert "no event, but your key (hidden)" in page.body.decode()
    assert "s3cret" not in page.body.decode()


async def test_a_refusal_that_is_packed(start, backend, settings):
    """A dead letter shows what a refusal says, packed unasked or not."""
    packed = gzip.compress(b'{"error": "no such user"}')
    refusal = Answer(422, {"Content-Encoding": "gzip"}, packed)
    backend.answer = lambda post: refusal if 2 in post.positions else 200
    exporter = await start()

    await exporter.bulk(bulk(*(a_record(n, value=instance(n)) for n in (1, 2, 3))))
    await eventually_metrics(exporter, spool_events=0, spool_dead_letters=1)
    token = (settings().spool_dir / "admin.token").read_text().strip()
    page = await exporter.demand("GET", "/dead-letters", token)

    assert "no such user" in page.body.decode()
    assert "Accept-Encoding" not in backend.requests[0].headers


def instances(first, last):
    """Return a bulk request of events, each of a process instance of its own."""
    return bulk(*(a_record(n, value=instance(n)) for n in range(first, last + 1)))


async def test_a_word_that_a_firewall_forbids(start, backend):
    """403 for one event among others makes a dead letter of it, and stops nobody."""
    backend.answer = lambda post: 403 if 33 in post.positions else 200
    exporter = await start(batch_size=10)

    await exporter.bulk(instances(1, 60))
    metrics = await eventually_metrics(exporter, spool_events=0)

    assert sorted(backend.positions) == [n for n in range(1, 61) if n != 33]
    assert metrics["spool_dead_letters"] == 1


@pytest.mark.parametrize("status", [413, 500])
async def test_a_size_that_is_too_large(start, backend, status):
    """A backend that takes 4 kB at most is mostly sent less once that is known."""
    backend.answer = lambda post: status if len(post.body) > 4096 else 200
    exporter = await start()

    await exporter.bulk(instances(1, 500))
    metrics = await eventually_metrics(exporter, spool_events=0)

    refused = [post for post in backend.requests if post.status == status]
    assert sorted(backend.positions) == list(range(1, 501))
    assert metrics["spool_dead_letters"] == 0
    assert len(refused) < 0.45 * len(backend.requests)
    assert len(backend.requests) < 500 / 3


async def test_events_that_hang(start, backend):
    """Three in a hundred and fifty, in several batches, wait alone in the end."""
    bad = {20, 70, 120}
    backend.answer = lambda post: 200 if bad.isdisjoint(post.positions) else HANG
    exporter = await start(request_timeout_ms=500)

    await exporter.bulk(instances(1, 150))
    await eventually_metrics(exporter, spool_events=3)

    assert set(backend.positions) == set(range(1, 151)) - bad
    assert (await exporter.metrics())["spool_dead_letters"] == 0
