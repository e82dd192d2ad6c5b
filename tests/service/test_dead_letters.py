"""Dead letters can be listed, shown, retried, dropped and exported."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from dataclasses import dataclass

import pytest

from devkit.backend import Answer
from devkit.waiting import eventually
from exporter import cli
from exporter.admin import guard
from tests.records import KEY, NOON, a_record, action, instance, tasks

NASTY = b'{"error":"\x1b[2J no such user \xc2\x9b"}'


@dataclass
class Done:
    """The result of a command."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        """Its output, decoded."""
        return json.loads(self.out)


@pytest.fixture
def run(settings, backend, monkeypatch, capsys):
    """Return a function that runs `dead-letters`, with the settings of the service."""
    monkeypatch.setenv("APP_INTEGRATIONS_URL", backend.url)
    monkeypatch.setenv("APP_INTEGRATIONS_SPOOL_DIR", str(settings().spool_dir))

    async def command(exporter, *argv):
        port = exporter.admin.rpartition(":")[2] if exporter else "9"
        monkeypatch.setenv("APP_INTEGRATIONS_ADMIN_PORT", port)
        capsys.readouterr()
        status = await asyncio.to_thread(cli.main, ["dead-letters", *argv])
        return Done(status, *capsys.readouterr())

    return command


@pytest.fixture
def ask(settings):
    """Return a function that asks the admin port as the commands do."""

    async def demand(exporter, method, path, **more):
        token = (settings().spool_dir / guard.FILE).read_text().strip()
        return await exporter.demand(method, path, token, **more)

    return demand


def refusing(*bad, status=422, body=b""):
    """Return the answers of a backend that refuses events at *bad* positions."""
    no = Answer(status, body=body)
    return lambda post: no if set(bad) & set(post.positions) else 200


async def kept(exporter, count):
    """Return as soon as there are *count* dead letters, and nothing waits."""
    async with asyncio.timeout(30):
        metrics = await exporter.metrics()
        while (metrics["spool_dead_letters"], metrics["spool_events"]) != (count, 0):
            metrics = await exporter.metrics()


async def given_up(exporter, backend, *positions, bad, answer=NASTY):
    """Let the *bad* ones of *positions* become dead letters."""
    backend.answer = refusing(*bad, body=answer)
    delivered = len(backend.positions) + len(positions) - len(bad)
    await exporter.bulk(tasks(*positions))
    await eventually(lambda: len(backend.positions) == delivered)
    await kept(exporter, len(bad))


async def test_a_bad_event_among_good_ones(start, backend, run):
    """A dead letter is listed with its reason, shown with the answer, and retried."""
    exporter = await start(cluster_id="prod")
    await given_up(exporter, backend, 1, 2, 3, bad=[2])

    listed = await run(exporter, "list")
    shown = await run(exporter, "show", "1")
    backend.answer = 200
    retried = await run(exporter, "retry", "1")
    await eventually(lambda: 2 in backend.positions)

    assert (listed.status, listed.err) == (0, "")
    head, row = listed.out.splitlines()
    assert head.split("  ")[0] == "id"
    assert f"prod-1-2-{NOON + 2}" in row
    assert "refused: 422 Unprocessable Entity" in row
    assert shown.status == 0
    assert '"error": "\\u001b[2J no such user \\x9b"' in shown.out
    assert '"assignee": "demo"' in shown.out
    assert f"\nkey             {KEY + 2}\n" in shown.out
    assert "\nphysical_tenant default\n" in shown.out
    assert (retried.status, retried.out) == (0, "1\n")
    assert retried.err == "1 dead letter will be delivered again\n"
    assert backend.positions == [1, 3, 2]
    assert (await run(exporter, "list")).out == ""


async def test_machines_read_the_same(start, backend, run):
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
    assert letter["time"].endswith("Z")
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


async def test_behind_what_waits_for_its_instance(start, backend, run):
    """A retried event doesn't overtake later events of its instance."""
    exporter = await start()
    await given_up(exporter, backend, 1, 2, 3, bad=[2])
    gate = backend.hold()

    await exporter.bulk(tasks(4))
    await eventually(lambda: [4] in [post.positions for post in backend.requests])
    await exporter.bulk(tasks(5))
    await run(exporter, "retry", "1")
    gate.set()
    await eventually(lambda: 2 in backend.positions)

    assert backend.positions == [1, 3, 4, 5, 2]


async def test_with_the_service_down(start, backend, run):
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
    ["list", "--json", "--limit", "1"],
    ["show", "2"],
    ["show", "3"],
    ["export", "-"],
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
    assert (shown.status, shown.out) == (1, "")


async def test_what_never_was_an_event(start, run, backend):
    """A record that could not be read can be shown and exported, but not retried."""
    exporter = await start()
    for number, garbage in enumerate((b"{garbage", b"\xff\xfe", b"[1]")):
        await exporter.bulk(b"%b\n%b\n" % (action(a_record(number)), garbage))

    listed = await run(exporter, "list")
    shown = [(await run(exporter, "show", str(number))).out for number in (1, 2, 3)]
    every = await run(exporter, "retry", "--all")
    one = await run(exporter, "retry", "2")
    exported = await run(exporter, "export", "-")

    assert "zeebe-record_user-task_8.6.0_2026-11-23/1-0" in listed.out
    assert "(not JSON: text):\n{garbage\n" in shown[0]
    assert "(not JSON: base64):\n//4=\n" in shown[1]
    assert "never was an event:\n[\n  1\n]\n" in shown[2]
    assert (every.status, every.out) == (0, "0\n")
    assert "1, 2, 3 never became an event" in every.err
    assert (one.status, one.out) == (1, "0\n")
    letters = [json.loads(line) for line in exported.out.splitlines()]
    assert [(letter["body_form"], letter["body"]) for letter in letters] == [
        ("text", "{garbage"),
        ("base64", "//4="),
        ("json", [1]),
    ]
    assert backend.requests == []


async def test_an_answer_that_is_no_json(start, backend, run):
    """An answer that isn't JSON is shown line by line."""
    exporter = await start()
    await given_up(exporter, backend, 1, 2, 3, bad=[2], answer=b"no\x1b\r\n such user")

    shown = await run(exporter, "show", "1")

    assert "answer:\nno\\x1b\n such user\n" in shown.out


async def test_export(start, backend, run, tmp_path):
    """An export writes a private new file, and keeps the dead letters."""
    exporter = await start()
    await given_up(exporter, backend, *range(1, 9), bad=[2, 5])
    file = tmp_path / "letters.jsonl"

    exported = await run(exporter, "export", str(file))
    again = await run(exporter, "export", str(file))
    some = await run(exporter, "export", "-", "--status", "400")

    assert (exported.status, exported.out) == (0, "2\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    letters = [json.loads(line) for line in file.read_text().splitlines()]
    assert sorted(letter["position"] for letter in letters) == [2, 5]
    assert {letter["body"]["assignee"] for letter in letters} == {"demo"}
    assert (again.status, again.out) == (1, "")
    assert "never overwritten" in again.err
    assert (some.status, some.out) == (0, "")
    assert len((await run(exporter, "list", "--json")).json) == 2


async def test_which_ones_are_listed(start, backend, run):
    """The newest are last; a message mentions older ones; a status filters."""
    exporter = await start()
    await given_up(exporter, backend, *range(1, 9), bad=[2, 5])
    await exporter.bulk(b"%b\n%b\n" % (action(a_record(9)), b"{garbage"))

    newest = await run(exporter, "list", "--limit", "2", "--json")
    refused = await run(exporter, "list", "--status", "422", "--json")
    none = await run(exporter, "list", "--status", "400")

    assert [letter["id"] for letter in newest.json] == [2, 3]
    assert "These are the newest 2" in newest.err
    assert [letter["id"] for letter in refused.json] == [1, 2]
    assert (none.status, none.out) == (0, "")
    assert none.err == "There are no dead letters with status 400\n"


async def test_a_status_chooses_what_is_sent(start, backend, run):
    """Dead letters of one status are retried, and the others stay."""
    exporter = await start()
    await given_up(exporter, backend, 1, 2, 3, bad=[2])
    backend.answer = refusing(5, status=400)
    await exporter.bulk(tasks(4, 5, 6))
    await eventually(lambda: 6 in backend.positions)
    await kept(exporter, 2)
    backend.answer = 200

    retried = await run(exporter, "retry", "--all", "--status", "400")
    await eventually(lambda: 5 in backend.positions)

    assert retried.out == "1\n"
    assert [
        letter["id"] for letter in (await run(exporter, "list", "--json")).json
    ] == [1]


async def test_twice_at_once(start, backend, ask):
    """Retries at the same moment send an event only once."""
    exporter = await start()
    await given_up(exporter, backend, 1, 2, 3, bad=[2])
    backend.answer = 200

    replies = await asyncio.gather(
        *(
            ask(exporter, "POST", "/dead-letters/retry", json={"ids": ids})
            for ids in ([1], None, [1], None, [1])
        )
    )
    await exporter.bulk(tasks(9, value=instance(9)))
    await eventually(lambda: {2, 9} <= set(backend.positions))
    await exporter.stop()

    assert sum(reply.json["retried"] for reply in replies) == 1
    assert backend.positions.count(2) == 1


async def test_what_is_refused_again_is_a_dead_letter_again(start, backend, run):
    """A retried event that is refused again has a new id."""
    exporter = await start()
    await given_up(exporter, backend, 1, 2, 3, bad=[2])
    backend.requests.clear()

    retried = await run(exporter, "retry", "--all")
    # Only a success that began after the refusal is a proof.
    await eventually(lambda: 422 in [each.status for each in backend.requests])
    await exporter.bulk(tasks(4, value=instance(4)))
    await kept(exporter, 1)
    listed = await run(exporter, "list", "--json")

    assert retried.out == "1\n"
    assert [letter["id"] for letter in listed.json] == [2]
    assert backend.positions == [1, 3, 4]


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


@pytest.mark.parametrize(
    "query, why",
    [
        ("limit=0", "limit is '0'. Send a whole number from 1 to 500"),
        ("limit=501", "limit is '501'"),
        ("after=-1", "after is '-1'"),
        ("before=99999999999999999999", "before is '9"),
        ("ids=", "ids is ''"),
        ("ids=1,two", "ids is 'two'"),
        (f"ids={'1,' * 1000}1", "ids has 1001 numbers. Send at most 1000"),
        ("order=up", "order is 'up'. Send oldest or newest"),
        ("body=maybe", "body is 'maybe'"),
        ("reason=x", "'reason' isn't a parameter"),
    ],
)
async def test_questions_that_mean_nothing(start, ask, query, why):
    """A wrong query is answered with a remedy."""
    exporter = await start()

    reply = await ask(exporter, "GET", f"/dead-letters?{query}")

    assert reply.status == 400
    assert reply.json["error"].startswith(why)


@pytest.mark.parametrize(
    "body",
    [
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
    ],
)
async def test_wishes_that_mean_nothing(start, backend, ask, body):
    """A wrong body changes nothing: it never means every dead letter."""
    exporter = await start()
    await given_up(exporter, backend, 1, 2, 3, bad=[2])

    for verb in ("retry", "drop"):
        reply = await ask(exporter, "POST", f"/dead-letters/{verb}", data=body)
        assert reply.status == 400
        assert reply.json["error"]

    assert (await exporter.metrics())["spool_dead_letters"] == 1


async def test_more_ids_than_one_request_takes(start, backend, run):
    """Any number of ids is allowed; the answers are added up."""
    exporter = await start()
    await given_up(exporter, backend, 1, 2, 3, bad=[2])

    dropped = await run(exporter, "drop", "--json", *map(str, range(1, 2502)))

    assert dropped.status == 1
    assert dropped.json == {"dropped": 1, "unknown": list(range(2, 2502))}


async def test_a_disk_that_fails(start, backend, disk, run):
    """A failure of the service changes nothing, and its message is printed."""
    exporter = await start()
    await given_up(exporter, backend, 1, 2, 3, bad=[2])
    disk.failing = True

    retried = await run(exporter, "retry", "--all")

    disk.failing = False
    assert (retried.status, retried.out) == (1, "")
    assert "exporter: The spool can't be written" in retried.err
    assert len((await run(exporter, "list", "--json")).json) == 1


async def test_the_token_of_another_service(start, settings, run):
    """A token that the service rejects is an error with a remedy."""
    exporter = await start()
    (settings().spool_dir / guard.FILE).write_text("another\n")

    listed = await run(exporter, "list")

    assert (listed.status, listed.out) == (1, "")
    assert "rejects the token from" in listed.err


async def test_what_was_done_is_in_the_log(start, backend, run):
    """The log has a line for each retry and each drop."""
    exporter = await start()
    await given_up(exporter, backend, 1, 2, 3, 4, bad=[2, 3])

    await run(exporter, "retry", "1")
    await run(exporter, "drop", "2", "3")

    (again,) = exporter.lines.saying("dead letters wait again")
    (gone,) = exporter.lines.saying("dead letters dropped")
    assert (again.dead_letters, gone.dead_letters) == (1, 1)


async def test_nobody_reads_on(start, backend, run):
    """A reader that ends early, like `head`, causes no traceback."""
    exporter = await start()
    await given_up(exporter, backend, 1, 2, 3, bad=[2])
    await run(exporter, "list")
    read, write = os.pipe()
    os.close(read)

    command = [sys.executable, "-m", "exporter", "dead-letters", "export", "-"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    _, said = await process.communicate()

    assert process.returncode == 128 + signal.SIGPIPE
    assert said == b""
