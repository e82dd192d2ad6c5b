"""`uninstall` releases the broker's log in every state of our exporter; `enable`."""

import asyncio
import json
from copy import copy

import pytest

from devkit.backend import HANG, Answer
from exporter import cli
from exporter.broker import actuator
from exporter.broker.actuator import enabling, releasing
from tests.unit.actuators import ActuatorStub

NAME = "appintspool"
E, D, C, U = "ENABLED", "DISABLED", "CONFIG_NOT_FOUND", "UNKNOWN"


@pytest.fixture
async def broker(monkeypatch):
    """Return an actuator that lists an exporter that isn't ours."""
    monkeypatch.setattr(actuator, "POLL_SECONDS", 0)
    async with ActuatorStub({"other": E}) as broker:
        yield broker


@pytest.fixture
def run(broker, capsys):
    """Return a function that runs a command; it returns status, stdout, stderr."""

    async def run(command, *argv, url=None):
        argv = [command, "--broker", url or broker.url, *argv]
        return await asyncio.to_thread(cli.main, argv), *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    "statuses, accepted, step",
    [
        ([], [], "done"),
        ([D], [], "done"),
        ([E], ["disable"], "wait"),
        ([E], ["delete"], "disable"),
        (["DISABLING"], [], "wait"),
        (["ENABLING"], [], "wait"),
        ([C, "DISABLING"], [], "wait"),
        ([C], [], "delete"),
        ([C], ["delete"], "wait"),
        ([C], ["delete", "disable"], "wait"),
        ([C, D], [], "delete"),
        ([C, E], [], "delete"),
        ([U], [], "disable"),
        ([U], ["delete"], "wait"),
        (["NEWER"], [], "disable"),
    ],
)
def test_releasing(statuses, accepted, step):
    """Only an exporter without variables is deleted; any other one is disabled."""
    assert releasing(statuses, accepted) == step


@pytest.mark.parametrize(
    "statuses, accepted, step",
    [
        ([], [], "wait"),
        ([E], [], "done"),
        ([D], [], "enable"),
        ([E, D], [], "enable"),
        ([D], ["enable"], "wait"),
        (["ENABLING"], [], "wait"),
        ([C, D], [], "done"),
    ],
)
def test_enabling(statuses, accepted, step):
    """An exporter without variables can't be enabled; any other one is, once."""
    assert enabling(statuses, accepted) == step


STEPS = [
    ("uninstall", E, ["disable"], D, "Now remove its variables from every broker"),
    ("uninstall", D, [], D, "APP_INTEGRATIONS_ENABLED=false"),
    ("uninstall", C, ["delete"], None, "has forgotten appintspool"),
    ("uninstall", None, [], None, "has no exporter appintspool, only other"),
    ("enable", D, ["enable"], E, "from now on"),
    ("enable", E, [], E, "from now on"),
]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("looks", [0, 2])
async def test_steps(broker, run, step, looks):
    """Each command takes one step, waits for its effect, and prints what is left."""
    command, before, asked, after, advice = step
    broker.exporters[NAME], broker.looks = before, looks

    status, _, err = await run(command, "--id", NAME.upper() if before else NAME)

    assert status == 0
    assert broker.asked == asked
    assert broker.exporters == {"other": E, NAME: after}
    assert advice in err
    assert err.count("The broker accepts the request to") == len(asked)


async def test_result(broker, run):
    """The result on stdout is a line for people, or JSON."""
    for command, before, text, result in (
        ("uninstall", D, "disabled", {"status": D, "forgotten": False}),
        ("uninstall", None, "not known", {"status": None, "forgotten": True}),
        ("enable", E, "enabled", {}),
    ):
        broker.exporters[NAME] = before
        assert (await run(command))[1] == f"{NAME} is {text}\n"
        assert json.loads((await run(command, "--json"))[1]) == {"id": NAME} | result


@pytest.mark.parametrize("state", [None, C])
async def test_enable_without_variables(broker, run, state):
    """Without variables there is nothing to enable, and the error has a remedy."""
    broker.exporters[NAME] = state

    status, _, err = await run("enable")

    assert (status, broker.asked) == (1, [])
    assert "has no variables for an exporter appintspool" in err
    assert "Give every broker its variables, and restart them" in err


TENANTS = {"default": E, "red": D, "blue": C, "green": D}


@pytest.mark.parametrize(
    "argv, statuses, asked",
    [
        (["uninstall"], [D, E], ["disable"]),
        (["uninstall"], {"default": E}, ["disable"]),
        (["uninstall"], {"default": D, "red": E}, ["disable red"]),
        (["uninstall"], TENANTS, ["delete blue", "disable default"]),
        (["uninstall", "--physical-tenant=blue"], TENANTS, ["delete blue"]),
        (["enable"], TENANTS | {"blue": E}, ["enable green", "enable red"]),
        (["enable", "--physical-tenant=red"], TENANTS, ["enable red"]),
    ],
)
async def test_physical_tenants(broker, run, argv, statuses, asked):
    """Each physical tenant is changed, or only that of the option."""
    broker.exporters = {NAME: copy(statuses)}

    status, _, err = await run(*argv)

    assert (status, broker.asked) == (0, asked)
    for step, _, tenant in (each.partition(" ") for each in asked):
        assert f"{step} {NAME}" + " of the physical tenant " * bool(tenant) in err


@pytest.mark.parametrize(
    "statuses, known", [({"default": E, "red": E}, "default, red"), (E, "none")]
)
async def test_no_such_physical_tenant(broker, run, statuses, known):
    """An unknown tenant changes nothing, in any version."""
    broker.exporters = {NAME: statuses}

    status, _, err = await run("uninstall", "--physical-tenant", "blue")

    assert (status, broker.asked) == (1, [])
    assert "lists no exporters of a physical tenant blue" in err
    assert f": {known}\n" in err


@pytest.mark.parametrize("refusal", [409, 500, 504])
async def test_not_now(broker, run, refusal):
    """A busy broker is asked again, and the message is printed once."""
    broker.exporters[NAME] = E
    broker.answers = {"GET": [503, 503], "POST": [refusal, refusal]}

    status, out, err = await run("uninstall")

    assert (status, out) == (0, f"{NAME} is disabled\n")
    assert broker.asked == ["disable"] * 3
    assert err.count(f"answers {refusal} Expected to do it, but won't: trying") == 1


@pytest.mark.parametrize("refusal", [400, 404])
async def test_not_deletable(broker, run, refusal):
    """An exporter that can't be deleted is disabled: that releases the log, too."""
    broker.exporters[NAME] = C
    broker.answers = {"DELETE": [refusal]}

    status, out, err = await run("uninstall")

    assert (status, out) == (0, f"{NAME} is disabled\n")
    assert broker.asked == ["delete", "disable"]
    assert f"doesn't delete appintspool: {refusal} Expected to do it, but won't" in err


@pytest.mark.parametrize("command, before", [("uninstall", E), ("enable", D)])
async def test_refused(broker, run, command, before):
    """A permanent refusal ends the command, with the reason."""
    broker.exporters[NAME] = before
    broker.answers = {"POST": [400]}

    status, out, err = await run(command)

    assert (status, out) == (1, "")
    assert f"{NAME}: 400 Expected to do it, but won't. " in err
    assert "run this again" in err


@pytest.mark.parametrize(
    "exporters, answers, why",
    [
        ({NAME: E}, {}, "ENABLED after 0.05 s"),
        ({NAME: "DISABLING"}, {}, "DISABLING after 0.05 s"),
        ({NAME: E}, {"POST": [409] * 10_000}, "answers 409 Expected"),
        ({}, {"GET": [500] * 10_000}, "answers 500 Expected"),
    ],
)
async def test_not_in_time(broker, run, exporters, answers, why):
    """The command waits no longer than --timeout."""
    broker.exporters, broker.answers, broker.looks = exporters, answers, 10**9

    status, out, err = await run("uninstall", "--timeout", "0.05")

    assert (status, out) == (1, "")
    error = err.splitlines()[-1]
    assert error.startswith("app-integrations-exporter: ")
    assert why in error


NO_LISTS = [b"<html>", b"7", b'["a"]', b'{"a": 1}', b'[{"a": 1}]']


@pytest.mark.parametrize(
    "answer, why",
    [
        *((Answer(200, body=body), "not like the actuator") for body in NO_LISTS),
        (Answer(204), "answers 204, but not like the actuator"),
        (Answer(302, {"Location": "/"}, b"[]"), "answers 302, but not like"),
        (Answer(404, body=b"[]"), "a context path, append it"),
        (Answer(401), "credentials: it answers 401"),
        (Answer(500), "answers 500. See the log"),
        (HANG, "no answer in time"),
    ],
)
async def test_no_actuator(broker, run, monkeypatch, answer, why):
    """Any other answer doesn't come from a broker, or from an old one."""
    monkeypatch.setattr(actuator, "ANSWER_SECONDS", 0.05 if answer is HANG else 10)
    broker.answer = answer

    code, out, err = await run("uninstall", "--timeout=0")

    assert (code, out) == (1, "")
    assert why in err
    assert "--broker" in err or "docs/broker.md" in err or "run this again" in err


@pytest.mark.parametrize(
    "path, end", [("", "/"), ("", "/actuator"), ("/orchestration", "/actuator/")]
)
async def test_paths(broker, run, path, end):
    """--broker may have a context path, and may end in /actuator or not."""
    broker.path = path

    assert (await run("uninstall", url=f"{broker.url}{path}{end}"))[0] == 0


@pytest.mark.parametrize(
    "argv, why",
    [
        (["--broker", "127.0.0.1:9600"], "must be an absolute http"),
        (["--broker", "http://ann:hunter2@broker:9600"], "without user and password"),
        (["--timeout", "soon"], "'soon'"),
    ],
)
def test_wrong_arguments(argv, why, capsys):
    """A wrong command line does nothing: status 2."""
    with pytest.raises(SystemExit) as left:
        cli.main(["uninstall", *argv])

    said = capsys.readouterr().err
    assert left.value.code == 2
    assert why in said
    assert "hunter2" not in said
