"""One exporter serves two backends, and neither costs the other anything."""

import asyncio
import json
from dataclasses import replace

import pytest

from devkit.backend import Backend
from devkit.waiting import eventually
from exporter import cli
from exporter.commands import check as checks
from exporter.commands import leftovers
from exporter.config.backend import BackendSettings, prefix_of
from tests.records import KEY, NOON, a_record, action, bulk, instance, line, tasks
from tests.service.running import eventually_metrics, running

MIB = 1024 * 1024
OPENED = "the breaker opened: nothing is sent but probes"
LEFT = "events wait for a backend that isn't configured any more"


@pytest.fixture
def teams(backend):
    """Return the backend `teams`."""
    return backend


@pytest.fixture
async def audit():
    """Return the backend `audit`, with a server of its own."""
    async with Backend() as backend:
        yield backend


@pytest.fixture
def begin(settings, teams, audit):
    """Return a function that runs an exporter for a block, with these backends."""
    urls = {"teams": teams.url, "audit": audit.url}

    def make(names=("teams", "audit"), own=None, **changes):
        backends = {
            name: BackendSettings(
                name=name,
                url=urls[name],
                prefix=prefix_of(name),
                **(own or {}).get(name, {}),
            )
            for name in names
        }
        return running(replace(settings(**changes), backends=backends))

    return make


@pytest.fixture
def command(settings, teams, audit, monkeypatch, capsys):
    """Return what runs a command with the settings of the service."""
    for name, stub in (("TEAMS", teams), ("AUDIT", audit)):
        monkeypatch.setenv(f"APP_INTEGRATIONS_BACKEND_{name}_URL", stub.url)
    monkeypatch.setenv("APP_INTEGRATIONS_SPOOL_DIR", str(settings().spool_dir))
    monkeypatch.setattr(leftovers, "DEFAULT_URL", "http://broker.invalid")

    async def run(exporter, *argv, backends="teams,audit"):
        port = exporter.admin.rpartition(":")[2] if exporter else "9"
        monkeypatch.setenv("APP_INTEGRATIONS_ADMIN_PORT", port)
        monkeypatch.setenv("APP_INTEGRATIONS_BACKENDS", backends)
        capsys.readouterr()
        return await asyncio.to_thread(cli.main, argv), *capsys.readouterr()

    return run


def an_incident(position):
    """Return the body of a bulk request with an incident."""
    record = a_record(position, valueType="INCIDENT")
    record["value"] = {"processInstanceKey": KEY - 1, "errorType": "IO_MAPPING_ERROR"}
    return b"%b\n%b\n" % (action(record, "incident"), line(record))


async def test_each_gets_its_own(begin, teams, audit):
    """What it selects, in its format, with its credentials and nobody else's."""
    own = {
        "teams": {"api_key": "of-teams"},
        "audit": {
            "events": "user-task, incident",
            "format": "cloudevents",
            "headers": "X-Env: prod",
        },
    }
    async with begin(own=own, cluster_id="eu-1") as exporter:
        await exporter.bulk(tasks(1))
        await exporter.bulk(an_incident(2))
        await eventually(lambda: (teams.positions, audit.positions) == ([1], [1, 2]))
        metrics = await exporter.metrics()

    (post,), (first, second) = teams.requests, audit.requests
    assert post.headers["X-Api-Key"] == "of-teams"
    assert post.headers["Content-Type"] == "application/json"
    assert "X-Env" not in post.headers
    assert [event["assignee"] for event in post.events] == ["demo"]
    for each in (first, second):
        assert each.headers["Content-Type"] == "application/cloudevents-batch+json"
        assert each.headers["X-Env"] == "prod"
        assert "X-Api-Key" not in each.headers
    types = [json.loads(each.body)[0]["type"] for each in (first, second)]
    assert types == ["io.camunda.user-task.created", "io.camunda.incident.created"]
    assert first.ids == post.ids == [f"eu-1-1-1-{NOON + 1}"]
    assert metrics["ingest_records_total accepted"] == 2


async def test_one_that_hangs(begin, teams, audit):
    """While one doesn't answer at all, the other gets everything, in order."""
    gate = audit.hold()
    async with begin() as exporter:
        for position in range(1, 101):
            await exporter.bulk(tasks(position, value=instance(position % 7)))
        await eventually(lambda: len(teams.positions) == 100)
        metrics = await eventually_metrics(exporter, **{"spool_events teams": 0})
        finished = list(audit.positions)
        gate.set()
        await eventually(lambda: len(audit.positions) == 100)

    assert finished == []
    assert metrics["spool_events audit"] == 100
    assert metrics["delivery_events_total teams"] == 100
    for stub in (teams, audit):
        assert in_order(stub.positions)


def in_order(positions):
    """Whether the instances that `test_one_that_hangs` makes are each in order."""
    lanes = [[n for n in positions if n % 7 == lane] for lane in range(7)]
    return lanes == [sorted(lane) for lane in lanes] and sorted(positions) == (
        list(range(1, 101))
    )


@pytest.mark.parametrize("trouble", [(503, "failing"), (401, "blocked")])
async def test_one_that_refuses(begin, teams, audit, command, trouble):
    """Its breaker and its trouble are its own; the status names both."""
    audit.answer, cause = trouble
    async with begin() as exporter:
        await exporter.bulk(tasks(*range(1, 11)))
        await eventually(lambda: len(teams.positions) == 10)
        (opened,) = await eventually(lambda: exporter.lines.saying(OPENED))
        await eventually_metrics(exporter, **{"spool_events teams": 0})
        code, out, _ = await command(exporter, "status", "--json")
        _, lines, _ = await command(exporter, "status")
        metrics = await exporter.metrics()

    assert (opened.backend, opened.cause) == ("audit", cause)
    found = json.loads(out)
    assert (code, found["ok"]) == (1, False)
    backends = found["backends"]
    assert backends["teams"]["delivery"]["state"] == "idle"
    assert backends["audit"]["delivery"]["cause"] == cause
    assert backends["audit"]["waiting"]["events"] == found["spool"]["events"] == 10
    assert [row.split()[1] for row in lines.splitlines() if row[:7] == "backend"] == [
        "teams",
        "audit",
    ]
    assert metrics["delivery_breaker_state teams closed"] == 1
    assert metrics[f"delivery_breaker_cause audit {cause}"] == 1
    assert metrics[f"delivery_breaker_cause teams {cause}"] == 0
    if cause == "blocked":
        assert "APP_INTEGRATIONS_BACKEND_AUDIT_API_KEY" in opened.remedy
        assert "APP_INTEGRATIONS_BACKEND_AUDIT_API_KEY" in lines


async def test_a_restart(begin, teams, audit):
    """What each still had to get it gets after a restart, and nothing twice."""
    teams.answer = audit.answer = 503
    async with begin(shutdown_timeout_ms=0) as exporter:
        await exporter.bulk(tasks(1, 2))
        await eventually(lambda: teams.requests and audit.requests)
        teams.answer = 200
        await eventually(lambda: teams.positions == [1, 2])
        await eventually_metrics(exporter, **{"spool_events teams": 0})
    audit.answer = 200
    async with begin() as exporter:
        await exporter.bulk(tasks(2, 3))  # the broker repeats what it isn't sure of
        await eventually(lambda: audit.positions == [1, 2, 3])
        await eventually(lambda: teams.positions == [1, 2, 3])


async def left_behind(begin, audit, *positions):
    """Let *positions* wait for a backend that is then no longer configured."""
    audit.answer = 503
    async with begin(shutdown_timeout_ms=0) as exporter:
        await exporter.bulk(tasks(*positions))
        await eventually_metrics(exporter, **{"spool_events teams": 0})
    audit.requests.clear()
    audit.answer = 200


async def test_a_backend_of_the_past(begin, teams, audit, command):
    """What waits for it is delivered to nobody, and everybody is told of it."""
    await left_behind(begin, audit, 1, 2)
    async with begin(["teams"]) as exporter:
        await exporter.bulk(tasks(3))
        await eventually(lambda: teams.positions == [1, 2, 3])
        (told,) = exporter.lines.saying(LEFT)
        metrics = await exporter.metrics()
        _, status, _ = await command(exporter, "status", backends="teams")
        _, listed, _ = await command(exporter, "backends", backends="teams")
        _, check, _ = await command(exporter, "check", backends="teams")
    _, without, _ = await command(None, "check", "--json", backends="teams")

    assert (told.backend, told.events, told.levelname) == ("audit", 2, "WARNING")
    assert metrics["spool_left_behind_events"] == 2
    assert "LEFT BEHIND   2 events of audit: not configured any more" in status
    assert [line.split()[:3] for line in listed.splitlines()[1:]] == [
        ["teams", "yes", "0"],
        ["audit", "NO", "2"],
    ]
    said = "audit isn't configured any more, but its events (2) and dead letters are"
    assert f"problem  {said}" in check
    (finding,) = [x for x in json.loads(without) if x["text"].startswith(said)]
    assert "app-integrations-exporter backends" in finding["remedy"]
    assert audit.requests == []


async def test_dropped(begin, audit, command):
    """A running service forgets it, and says so; put back, it gets what is new."""
    await left_behind(begin, audit, 1, 2)
    async with begin(["teams"]) as exporter:
        done = await command(exporter, "backends", "drop", "audit", backends="teams")
        metrics = await exporter.metrics()
        (told,) = exporter.lines.saying("events of a backend were dropped")
    async with begin() as exporter:
        await exporter.bulk(tasks(3))
        await eventually(lambda: audit.positions == [3])

    assert done == (0, "2\n", "2 events of audit were deleted\n")
    assert metrics["spool_left_behind_events"] == 0
    assert (told.backend, told.events) == ("audit", 2)


async def test_put_back(begin, audit):
    """A backend that is in the list again gets what was left behind."""
    await left_behind(begin, audit, 1, 2)
    async with begin(["teams"]) as exporter:
        await exporter.bulk(tasks(3))
    async with begin():
        await eventually(lambda: audit.positions == [1, 2])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"backend": 7}',
        b'{"backend": "teams"}',
        b'{"backend": "audit", "to": "teams"}',
    ],
)
async def test_wishes_that_mean_nothing(begin, audit, settings, body):
    """Then nothing is changed, and the answer says what it takes."""
    await left_behind(begin, audit, 1)
    async with begin(["teams"]) as exporter:
        token = (settings().spool_dir / "admin.token").read_text().strip()
        asked = await exporter.demand("POST", "/backends/drop", token, data=body)
        without = await exporter.look("/backends")
        metrics = await exporter.metrics()

    assert asked.status == 400
    assert asked.json["error"]
    assert without.status == 401
    assert metrics["spool_left_behind_events"] == 1


async def test_dead_letters_of_one(begin, teams, audit, command):
    """They say whose they are, and one backend's can be chosen."""
    teams.answer = lambda post: 422 if 1 in post.positions else 200
    audit.answer = lambda post: 422 if 2 in post.positions else 200
    export = ("dead-letters", "export", "-", "--backend", "audit")
    async with begin() as exporter:
        await exporter.bulk(
            bulk(*(a_record(n, value=instance(n)) for n in range(1, 5)))
        )
        await eventually_metrics(
            exporter,
            spool_dead_letters=2,
            **{"spool_events teams": 0, "spool_events audit": 0},
        )
        _, listed, _ = await command(exporter, "dead-letters", "list")
        _, chosen, _ = await command(
            exporter, "dead-letters", "list", "--backend", "teams", "--json"
        )
        _, exported, _ = await command(exporter, *export)
        nobodys = await command(exporter, "dead-letters", "list", "--backend", "x")
        teams.answer = audit.answer = 200
        retried = await command(
            exporter, "dead-letters", "retry", "--all", "--backend", "audit"
        )
        await eventually(lambda: 2 in audit.positions)
        metrics = await exporter.metrics()

    head, *rows = [line.split() for line in listed.splitlines()]
    assert "backend" in head
    assert sorted(row[3] for row in rows) == ["audit", "teams"]
    assert [each["position"] for each in json.loads(chosen)] == [1]
    assert [json.loads(each)["position"] for each in exported.splitlines()] == [2]
    assert nobodys[2] == "There are no dead letters of x\n"
    assert retried[:2] == (0, "1\n")
    assert metrics["spool_dead_letters"] == 1


async def test_dead_letters_of_a_backend_of_the_past(begin, audit, command):
    """They can't be sent again, and it's said why, and who decides."""
    audit.answer = lambda post: 422 if 1 in post.positions else 200
    async with begin() as exporter:
        await exporter.bulk(
            bulk(*(a_record(n, value=instance(n)) for n in range(1, 4)))
        )
        await eventually_metrics(
            exporter, spool_dead_letters=1, **{"spool_events audit": 0}
        )
    async with begin(["teams"]) as exporter:
        code, out, err = await command(
            exporter, "dead-letters", "retry", "1", backends="teams"
        )

    assert (code, out) == (1, "0\n")
    assert (
        "1 dead letter can't be retried, because their backend isn't configured" in err
    )
    assert "never became" not in err


async def test_the_fullest_loses(begin, teams, audit):
    """A full spool takes from the backend that holds most; the other loses nothing."""
    audit.hold()
    large = {"assignee": "x" * 100_000}
    slow = {"audit": {"batch_size": 1, "max_batches_in_flight": 1}}
    full = {"spool_when_full": "drop-oldest", "spool_max_bytes": MIB}
    async with begin(own=slow, **full, shutdown_timeout_ms=0) as exporter:
        for position in range(1, 31):
            record = instance(position) | large
            reply = await exporter.bulk(tasks(position, value=record))
            assert reply.status == 200
            await eventually(lambda: len(teams.positions) == position)  # noqa: B023
        metrics = await eventually_metrics(exporter, **{"spool_events teams": 0})
        told = exporter.lines.saying("the spool is full: the oldest events are lost")

    assert sorted(teams.positions) == list(range(1, 31))
    assert metrics["spool_lost_events_total teams"] == 0
    assert metrics["spool_lost_events_total audit"] > 0
    assert {line.backend for line in told} == {"audit"}
    kept = metrics["spool_events audit"]
    assert kept + metrics["spool_lost_events_total audit"] == 30


async def test_check_names_the_backend(teams, audit, command):
    """Each finding about one of several begins with its name; remedies are its own."""
    teams.answer, audit.answer = 200, 401

    code, out, _ = await command(None, "check", "--json")

    findings = json.loads(out)
    texts = [each["text"] for each in findings]
    (problem,) = [each for each in findings if each["level"] == checks.Level.PROBLEM]
    assert code == 1
    assert "The settings can be used" in texts
    assert any(text.startswith("teams: The backend answers 200") for text in texts)
    assert problem["text"].startswith("audit: The backend answers 401")
    assert "Correct APP_INTEGRATIONS_BACKEND_AUDIT_API_KEY," in problem["remedy"]
