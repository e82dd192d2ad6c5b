"""Dead letters can be listed, shown, retried, dropped and exported."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from devkit.waiting import eventually
from tests.records import KEY, NOON, a_record, action
from tests.service.refused import NASTY, given_up

HOUR = timedelta(hours=1)


@pytest.fixture
def run(command):
    """Return a function that runs `dead-letters`."""
    return lambda exporter, *argv: command(exporter, "dead-letters", *argv)


async def test_a_bad_event_among_good_ones(start, backend, run):
    """A dead letter is listed with its reason, shown with the answer, and retried."""
    exporter = await start(cluster_id="prod")
    await given_up(exporter, backend, 1, 2, 3, bad=[2])

    listed = await run(exporter, "list")
    shown = await run(exporter, "show", "1")
    backend.answer = 200
    retried = await run(exporter, "retry", "1")
    await eventually(lambda: 2 in backend.positions)
    (logged,) = exporter.lines.saying("dead letters wait again")

    assert (listed.status, listed.err) == (0, "")
    head, row = listed.out.splitlines()
    assert head.split("  ")[0] == "id"
    assert f"prod-1-2-{NOON + 2}" in row
    assert "refused: 422 Unprocessable Entity" in row
    assert shown.status == 0
    assert "no such user" in shown.out
    assert '"assignee": "demo"' in shown.out
    assert f'"key": "{KEY + 2}"' in shown.out
    assert not set("\x1b\x9b") & set(shown.out)
    assert (retried.status, retried.out) == (0, "1\n")
    assert retried.err == "1 dead letter will be delivered again\n"
    assert backend.positions == [1, 3, 2]
    assert logged.dead_letters == 1
    assert (await run(exporter, "list")).out == ""


async def test_json(start, backend, run):
    """--json has the same facts as the tables, and nothing else on stdout."""
    exporter = await start()
    await given_up(exporter, backend, 1, 2, 3, bad=[2])

    listed = await run(exporter, "list", "--json")
    shown = await run(exporter, "show", "1", "--json")
    retried = await run(exporter, "retry", "--all", "--json")

    (letter,) = listed.json
    about = {
        "id": 1,
        "event": f"1-2-{NOON + 2}",
        "reason": "refused: 422 Unprocessable Entity",
        "status": 422,
        "answer": NASTY.decode(),
        "backend": "default",
        "partition": 1,
        "position": 2,
        "timestamp": NOON + 2,
        "key": str(KEY + 2),
        "instance": str(KEY - 1),
        "record": None,
    }
    assert letter.items() >= about.items()
    assert letter["attempts"] == 3
    assert datetime.now(UTC) - datetime.fromisoformat(letter["time"]) < HOUR
    body = {name: shown.json[name] for name in ("body", "body_form")}
    assert shown.json == letter | body
    assert (body["body_form"], body["body"]["assignee"]) == ("json", "demo")
    assert retried.json == {
        "retried": 1,
        "never_events": 0,
        "never_event_ids": [],
        "of_no_backend": 0,
        "unknown": [],
    }


async def test_without_a_service(start, backend, run):
    """The commands work the same without a service."""
    exporter = await start()
    await given_up(exporter, backend, 1, 2, 3, 4, bad=[2, 3])
    online = [await run(exporter, *argv) for argv in LOOKING]
    await exporter.stop()

    offline = [await run(None, *argv) for argv in LOOKING]
    dropped = await run(None, "drop", "2")
    retried = await run(None, "retry", "--all")
    backend.answer = 200
    await start()
    await eventually(lambda: 2 in backend.positions)

    assert offline == online
    assert [done.status for done in online] == [0, 0, 0, 1, 0]
    assert (dropped.status, dropped.out) == (0, "1\n")
    assert (retried.status, retried.out) == (0, "1\n")
    assert "once the service runs" in retried.err
    assert backend.positions == [1, 4, 2]


LOOKING = (
    ["list"],
    ["list", "--json"],
    ["show", "2"],
    ["show", "3"],
    ["export"],
)


async def test_ids_that_do_not_exist(start, backend, run):
    """Known ids are handled; unknown ids are an error with status 1."""
    exporter = await start()
    await given_up(exporter, backend, 1, 2, 3, 4, bad=[2, 3])

    retried = await run(exporter, "retry", "99", "1")
    dropped = await run(exporter, "drop", "2", "1", "98")
    shown = await run(exporter, "show", "1")

    assert (retried.status, retried.out) == (1, "1\n")
    assert "There is no dead letter 99. " in retried.err
    assert (dropped.status, dropped.out) == (1, "1\n")
    assert "There is no dead letter 1, 98. " in dropped.err
    assert len(exporter.lines.saying("dead letters dropped")) == 1
    assert (shown.status, shown.out) == (1, "")


async def test_unreadable_records(start, run, backend, monkeypatch):
    """A record that could not be read can be shown and exported, but not retried."""
    exporter = await start()
    for number, garbage in enumerate((b"{garbage", b"\xff\xfe", b"[1]")):
        await exporter.bulk(b"%b\n%b\n" % (action(a_record(number)), garbage))

    listed = await run(exporter, "list")
    every = await run(exporter, "retry", "--all")
    one = await run(exporter, "retry", "2")
    monkeypatch.setattr("exporter.commands.dead_letters.MOST_LETTERS", 2)
    exported = await run(exporter, "export")

    assert '"_index":"zeebe-record_user-task_8.6.0_2026-11-23"' in listed.out
    assert (every.status, every.out) == (0, "0\n")
    assert "1, 2, 3 never became an event" in every.err
    assert exported.status == 0
    assert (one.status, one.out) == (1, "0\n")
    letters = [json.loads(line) for line in exported.out.splitlines()]
    assert [(letter["body_form"], letter["body"]) for letter in letters] == [
        ("text", "{garbage"),
        ("base64", "//4="),
        ("json", [1]),
    ]
    assert backend.requests == []


async def test_choices_of_a_list(start, backend, run, monkeypatch):
    """The newest are last; a message mentions older ones; a status filters."""
    exporter = await start()
    empty = await run(exporter, "list")
    await given_up(exporter, backend, *range(1, 9), bad=[2, 5])
    await exporter.bulk(b"%b\n%b\n" % (action(a_record(9)), b"{garbage"))

    with monkeypatch.context() as fewer:
        fewer.setattr("exporter.commands.dead_letters.MOST_LISTED", 2)
        newest = await run(exporter, "list", "--json")
    refused = await run(exporter, "list", "--status", "422", "--json")
    none = await run(exporter, "list", "--status", "400")
    retried = await run(exporter, "retry", "--all", "--status", "422")

    assert retried.out == "2\n"
    assert [letter["id"] for letter in newest.json] == [2, 3]
    assert "These are the newest 2" in newest.err
    assert [letter["id"] for letter in refused.json] == [1, 2]
    assert (none.status, none.out) == (0, "")
    assert none.err == "There are no such dead letters\n"
    assert empty.err == "There are no dead letters\n"
