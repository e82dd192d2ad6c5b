"""One exporter serves two backends, and neither disturbs the other."""

import json
from dataclasses import replace

import pytest

from devkit.backend import Backend
from devkit.waiting import eventually
from exporter.commands import check as checks
from exporter.config.backend import BackendSettings, settings_of
from tests.records import KEY, NOON, a_record, action, bulk, instance, line, tasks
from tests.service.running import eventually_metrics, running

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
                sources=settings_of(name),
                **(own or {}).get(name, {}),
            )
            for name in names
        }
        return running(replace(settings(**changes), backends=backends))

    return make


@pytest.fixture
def command(command, teams, audit, monkeypatch):
    """Return a function that runs a command with the settings of the service."""
    monkeypatch.delenv("APP_INTEGRATIONS_URL")
    for name, stub in (("TEAMS", teams), ("AUDIT", audit)):
        monkeypatch.setenv(f"APP_INTEGRATIONS_BACKEND_{name}_URL", stub.url)

    async def run(exporter, *argv, backends="teams,audit"):
        monkeypatch.setenv("APP_INTEGRATIONS_BACKENDS", backends)
        return await command(exporter, *argv)

    return run


def an_incident(position):
    """Return the body of a bulk request with an incident."""
    record = a_record(position, valueType="INCIDENT")
    record["value"] = {"processInstanceKey": KEY - 1, "errorType": "IO_MAPPING_ERROR"}
    return b"%b\n%b\n" % (action(record, "incident"), line(record))


async def test_each_gets_its_own(begin, teams, audit):
    """A backend gets its events, in its format, with its credentials."""
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
    assert first.headers["Content-Type"] == "application/cloudevents-batch+json"
    assert first.headers["X-Env"] == "prod"
    assert "X-Api-Key" not in first.headers
    types = [each.json[0]["type"] for each in (first, second)]
    assert types == ["io.camunda.user-task.created", "io.camunda.incident.created"]
    assert first.ids == post.ids == [f"eu-1-1-1-{NOON + 1}"]
    assert metrics["ingest_records_total accepted"] == 2


async def test_one_that_hangs(begin, teams, audit):
    """While one backend doesn't answer, the other gets all events, in order."""
    gate = audit.hold()
    async with begin() as exporter:
        for position in range(1, 31):
            await exporter.bulk(tasks(position, value=instance(position % 7)))
        await eventually(lambda: len(teams.positions) == 30)
        metrics = await eventually_metrics(exporter, **{"spool_events teams": 0})
        finished = list(audit.positions)
        gate.set()
        await eventually(lambda: len(audit.positions) == 30)

    assert finished == []
    assert metrics["spool_events audit"] == 30
    for stub in (teams, audit):
        assert sorted(stub.positions) == list(range(1, 31))
        lanes = [[n for n in stub.positions if n % 7 == lane] for lane in range(7)]
        assert lanes == [sorted(lane) for lane in lanes]


async def test_one_that_refuses(begin, teams, audit, command):
    """Each backend has its own breaker and trouble; the status names both."""
    audit.answer = 401
    async with begin() as exporter:
        await exporter.bulk(tasks(*range(1, 11)))
        await eventually(lambda: len(teams.positions) == 10)
        (opened,) = await eventually(lambda: exporter.lines.saying(OPENED))
        await eventually_metrics(exporter, **{"spool_events teams": 0})
        code, out, _ = await command(exporter, "status", "--json")
        _, lines, _ = await command(exporter, "status")
        metrics = await exporter.metrics()

    assert (opened.backend, opened.cause) == ("audit", "blocked")
    backends = json.loads(out)["backends"]
    assert code == 1
    assert backends["teams"]["delivery"]["state"] == "idle"
    assert backends["audit"]["delivery"]["cause"] == "blocked"
    assert backends["audit"]["waiting"]["events"] == 10
    assert metrics["delivery_breaker_state teams closed"] == 1
    assert metrics["delivery_breaker_cause audit blocked"] == 1
    assert metrics["delivery_breaker_cause teams blocked"] == 0
    for text in (opened.remedy, lines):
        assert "APP_INTEGRATIONS_BACKEND_AUDIT_API_KEY" in text


async def left_behind(begin, audit, *positions):
    """Let *positions* wait for a backend that is then no longer configured."""
    audit.answer = 503
    async with begin(shutdown_timeout_ms=0) as exporter:
        await exporter.bulk(tasks(*positions))
        await eventually_metrics(exporter, **{"spool_events teams": 0})
    audit.requests.clear()
    audit.answer = 200


async def test_a_backend_of_the_past(begin, teams, audit, command):
    """Its events are kept, and log, metrics, status and commands say so."""
    await left_behind(begin, audit, 1, 2)
    async with begin(["teams"]) as exporter:
        await exporter.bulk(tasks(3))
        await eventually(lambda: teams.positions == [1, 2, 3])
        (line,) = exporter.lines.saying(LEFT)
        metrics = await exporter.metrics()
        _, status, _ = await command(exporter, "status", backends="teams")
        _, check, _ = await command(exporter, "check", backends="teams")
    _, without, _ = await command(None, "check", "--json", backends="teams")

    assert (line.backend, line.events, line.levelname) == ("audit", 2, "WARNING")
    assert metrics["spool_left_behind_events"] == 2
    assert "LEFT BEHIND   2 events of audit: not configured any more" in status
    assert "app-integrations-exporter drop-backend audit\n" in status
    left = "audit isn't configured any more, but its events (2) and dead letters are"
    assert f"problem  {left}" in check
    (finding,) = [x for x in json.loads(without) if x["text"].startswith(left)]
    assert "app-integrations-exporter drop-backend audit" in finding["remedy"]


@pytest.mark.parametrize("dropped", [True, False])
async def test_a_backend_that_is_configured_again(begin, audit, command, dropped):
    """It gets the events that were left behind, unless they were dropped."""
    await left_behind(begin, audit, 1, 2)
    drop = ("drop-backend", "audit")
    async with begin(["teams"]) as exporter:
        if dropped:
            done = await command(exporter, *drop, backends="teams")
            metrics = await exporter.metrics()
            (line,) = exporter.lines.saying("events of a backend were dropped")
            assert done == (0, "2\n", "2 events of audit were deleted\n")
            assert metrics["spool_left_behind_events"] == 0
            assert (line.backend, line.events) == ("audit", 2)
    expected = [3] if dropped else [1, 2, 3]
    async with begin() as exporter:
        await exporter.bulk(tasks(3))
        await eventually(lambda: audit.positions == expected)


@pytest.mark.parametrize(
    "body, why",
    [
        (b'{"backend": 7}', "backend: not a valid string"),
        (b'{"backend": "teams"}', "Left behind: audit"),
        (b'{"backend":"audit","to":"x"}', "to: unknown field"),
    ],
)
async def test_a_drop_without_meaning(begin, audit, settings, body, why):
    """A wrong request is refused with a reason, and changes nothing."""
    await left_behind(begin, audit, 1)
    async with begin(["teams"]) as exporter:
        token = (settings().spool_dir / "admin.token").read_text().strip()
        asked = await exporter.demand("POST", "/backends/drop", token, data=body)
        metrics = await exporter.metrics()

    assert asked.status == 400
    assert why in asked.json["error"]
    assert metrics["spool_left_behind_events"] == 1


def refusing(position):
    """Return a rule that refuses the event at *position*."""
    return lambda post: 422 if position in post.positions else 200


async def send_and_settle(exporter, *positions, dead):
    """Send events of their own instances, and wait for the dead letters."""
    await exporter.bulk(bulk(*(a_record(n, value=instance(n)) for n in positions)))
    settled = {"spool_events teams": 0, "spool_events audit": 0}
    await eventually_metrics(exporter, spool_dead_letters=dead, **settled)


async def test_dead_letters_of_one(begin, teams, audit, command):
    """Dead letters name their backend, and commands can choose one."""
    teams.answer, audit.answer = refusing(1), refusing(2)
    async with begin() as exporter:
        await send_and_settle(exporter, 1, 2, 3, 4, dead=2)

        async def letters(*argv):
            return await command(exporter, "dead-letters", *argv)

        _, listed, _ = await letters("list")
        _, chosen, _ = await letters("list", "--backend", "teams", "--json")
        _, exported, _ = await letters("export", "--backend", "audit")
        nobodys = await letters("list", "--backend", "x")
        teams.answer = audit.answer = 200
        retried = await letters("retry", "--all", "--backend", "audit")
        await eventually(lambda: 2 in audit.positions)
        metrics = await exporter.metrics()

    head, *rows = [line.split() for line in listed.splitlines()]
    assert "backend" in head
    assert sorted(row[3] for row in rows) == ["audit", "teams"]
    assert [each["position"] for each in json.loads(chosen)] == [1]
    assert [json.loads(each)["position"] for each in exported.splitlines()] == [2]
    assert nobodys[2] == "There are no such dead letters\n"
    assert retried[:2] == (0, "1\n")
    assert metrics["spool_dead_letters"] == 1


async def test_dead_letters_of_a_backend_of_the_past(begin, audit, command):
    """They can't be sent again, and the command says why."""
    audit.answer = refusing(1)
    async with begin() as exporter:
        await send_and_settle(exporter, 1, 2, 3, dead=1)
    async with begin(["teams"]) as exporter:
        code, out, err = await command(
            exporter, "dead-letters", "retry", "1", backends="teams"
        )

    assert (code, out) == (1, "0\n")
    assert "1 dead letter can't be retried" in err
    assert "backend isn't configured" in err


async def test_check_names_the_backend(teams, audit, command):
    """Each finding about one of several begins with its name; remedies are its own."""
    teams.answer, audit.answer = 200, 401

    code, out, _ = await command(None, "check", "--json")

    findings = json.loads(out)
    texts = [each["text"] for each in findings]
    (problem,) = [each for each in findings if each["level"] == checks.Level.PROBLEM]
    assert code == 1
    assert any(text.startswith("teams: The backend answers 200") for text in texts)
    assert problem["text"].startswith("audit: The backend answers 401")
    assert "Correct APP_INTEGRATIONS_BACKEND_AUDIT_API_KEY," in problem["remedy"]
