"""Refused events are kept, and the others are delivered."""

import gzip

import pytest

from devkit.backend import Answer
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
    trouble = await exporter.trouble()
    assert (trouble.outcome, trouble.attempt) == ("postponed", 1)
    await eventually(lambda: exporter.lines.saying("the backend accepts events again"))


@pytest.mark.parametrize(
    "status, outcome", [(422, "rejected"), (301, "blocked"), (308, "blocked")]
)
async def test_refused_batches_are_kept(start, backend, status, outcome):
    """Refused events are delivered after a change; redirects are never followed."""
    backend.answer = Answer(status, {"Location": "/elsewhere?token=ours"})
    exporter = await start()

    await exporter.bulk(tasks(1, 2))
    await eventually(lambda: len(backend.requests) >= 3)
    metrics = await exporter.metrics()
    backend.answer = 200
    await eventually(lambda: backend.accepted)
    await exporter.bulk(tasks(3))
    await eventually(lambda: len(backend.positions) == 3)

    assert backend.positions == [1, 2, 3]
    assert backend.strays == []
    assert (metrics["spool_events"], metrics["spool_dead_letters"]) == (2, 0)
    assert metrics[f"delivery_attempts_total {outcome}"] >= 2
    trouble = await exporter.trouble()
    assert trouble.outcome == outcome
    assert trouble.reason.startswith(str(status))
    assert trouble.reason.endswith("/elsewhere")


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_the_text_of_a_refusal(start, backend, settings, encoding):
    """A dead letter shows the answer without our key, even if it is compressed."""
    text = b'{"error": "no such user, and your key is s3cret-key"}'
    body = gzip.compress(text) if encoding == "gzip" else text
    refusal = Answer(422, {"Content-Encoding": encoding}, body)
    backend.answer = lambda post: refusal if 2 in post.positions else 200
    exporter = await start(api_key="s3cret-key")

    await exporter.bulk(bulk(*(a_record(n, value=instance(n)) for n in (1, 2, 3))))
    await eventually_metrics(exporter, spool_events=0, spool_dead_letters=1)
    token = (settings().spool_dir / "admin.token").read_text().strip()
    page = (await exporter.demand("GET", "/dead-letters", token)).body.decode()

    assert "no such user, and your key is (hidden)" in page
    assert "Accept-Encoding" not in backend.requests[0].headers
