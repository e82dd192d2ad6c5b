"""Requests are signed so that any receiver of Standard Webhooks can check them."""

import base64

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from devkit.waiting import eventually
from tests.records import tasks

OLD, NEW, FOREIGN = (
    "whsec_" + base64.b64encode(bytes([number] * 32)).decode() for number in (1, 2, 3)
)


def verified(post, secret):
    """Return the events of *post* if it was signed with *secret*."""
    headers = {name.lower(): value for name, value in post.headers.items()}
    return Webhook(secret).verify(post.body, headers)["events"]


async def test_a_rotated_secret(start, backend, tmp_path):
    """Every secret in the file signs, and a new one signs the next request."""
    file = tmp_path / "secrets"
    file.write_text(OLD, encoding="utf-8")
    exporter = await start(signing_secrets=OLD, files={"signing_secrets": file})
    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.positions == [1])

    file.write_text(f"{NEW}\n{OLD}\n", encoding="utf-8")
    await exporter.bulk(tasks(2, 3))
    await eventually(lambda: backend.positions == [1, 2, 3])

    first, second = backend.requests
    assert len(verified(first, OLD)) == 1
    assert len(verified(second, NEW)) == len(verified(second, OLD)) == 2
    with pytest.raises(WebhookVerificationError):
        verified(second, FOREIGN)


async def test_a_retry(start, backend, monkeypatch):
    """A message keeps its id when it is sent again; the time is the attempt's."""
    moments = iter([1_800_000_000.9, 1_800_000_060.1])
    monkeypatch.setattr("exporter.connect.wall_clock", lambda: next(moments))
    answers = iter([503, 200])
    backend.answer = lambda _: next(answers)
    exporter = await start(signing_secrets=NEW)

    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.positions == [1])

    first, second = (post.headers for post in backend.requests)
    assert first["Webhook-Id"] == second["Webhook-Id"] == first["Idempotency-Key"]
    assert first["Idempotency-Key"] != second["Idempotency-Key"]
    assert first["Webhook-Timestamp"] == "1800000000"
    assert second["Webhook-Timestamp"] == "1800000060"
    assert first["Webhook-Signature"] != second["Webhook-Signature"]


async def test_without_a_secret(start, backend):
    """Without a secret nothing is signed, and a batch still has its name."""
    exporter = await start()

    await exporter.bulk(tasks(1))
    await eventually(lambda: backend.requests)

    (post,) = backend.requests
    assert len(post.headers["Idempotency-Key"]) == 64
    assert not any(name.startswith("Webhook-") for name in post.headers)
