"""`uninstall` releases the broker's log in every state of our exporter; `enable`."""

import asyncio
import json

import pytest

from devkit import management
from devkit.backend import HANG, Answer, Stub
from exporter import cli
from exporter.broker import actuator
from exporter.broker.actuator import enabling, releasing
from tests.unit.actuators import NAME, C, D, E, listed, managed, refused, states


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """Let changes take a hundredth of a second, and look for them often."""
    monkeypatch.setattr(management, "MOMENT_SECONDS", 0.01)
    monkeypatch.setattr(actuator, "POLL_SECONDS", 0.001)


@pytest.fixture
def run(capsys):
    """Return a function that runs a command; it returns status, stdout, stderr."""

    async def run(url, command, *argv):
        argv = [command, "--broker", url, "--timeout=5", *argv]
        return await asyncio.to_thread(cli.main, argv), *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    "next_step, statuses, step",
    [
        (releasing, {C, D}, "delete"),
        (releasing, {C, E}, "delete"),
        (releasing, {C, "DISABLING"}, "wait"),
        (releasing, {"ENABLING"}, "wait"),
        (releasing, {D, "DISABLING"}, "wait"),
        (releasing, {"NEWER"}, "disable"),
        (enabling, {E, D}, "enable"),
        (enabling, {"ENABLING"}, "wait"),
        (enabling, {C, D}, "done"),
    ],
)
def test_next_step(next_step, statuses, step):
    """Only an exporter without variables is deleted, and it can't be enabled."""
    assert next_step(statuses) == step


@pytest.mark.parametrize(
    "command, before, after, advice",
    [
        ("uninstall", E, D, "Now remove its variables from every broker"),
        ("uninstall", D, D, "APP_INTEGRATIONS_ENABLED=false"),
        ("uninstall", C, None, "has forgotten appintspool"),
        ("uninstall", None, None, "has no exporter appintspool, only other"),
        ("enable", D, E, "from now on"),
        ("enable", E, E, "from now on"),
    ],
)
async def test_steps(run, command, before, after, advice):
    """Each command takes one step, waits for its effect, and prints what is left."""
    async with managed(before) as broker:
        name = NAME.upper() if before else NAME
        status, _, err = await run(broker.management_url, command, "--id", name)

        assert states(broker) == {"default": after}
    assert status == 0
    assert advice in err
    assert err.count("The broker accepts the request to") == (before != after)


async def test_result(run):
    """The result on stdout is a line for people, or JSON."""
    for command, before, text, result in (
        ("uninstall", E, "disabled", {"status": D, "forgotten": False}),
        ("uninstall", None, "not known", {"status": None, "forgotten": True}),
        ("enable", E, "enabled", {}),
    ):
        async with managed(before) as broker:
            url = broker.management_url
            assert (await run(url, command))[1] == f"{NAME} is {text}\n"
            out = (await run(url, command, "--json"))[1]
            assert json.loads(out) == {"id": NAME} | result


@pytest.mark.parametrize("state", [None, C])
async def test_enable_without_variables(run, state):
    """Without variables there is nothing to enable, and the error has a remedy."""
    async with managed(state) as broker:
        status, _, err = await run(broker.management_url, "enable")

        assert (status, states(broker)) == (1, {"default": state})
    assert "has no variables for an exporter appintspool" in err
    assert "Give every broker its variables, and restart them" in err


async def test_tenant_without_variables(run):
    """A physical tenant without the variables has nothing to enable either."""
    async with Stub(listed(E, "other", physicalTenant="red")) as stub:
        status, _, err = await run(stub.url, "enable", "--physical-tenant=red")

    assert status == 1
    assert "has no variables for an exporter appintspool, only for other" in err


TENANTS = {"default": E, "red": D, "blue": C, "green": D}


@pytest.mark.parametrize(
    "command, tenant, changed",
    [
        ("uninstall", "", {"default": D, "blue": None}),
        ("uninstall", "blue", {"blue": None}),
        ("enable", "red", {"red": E}),
    ],
)
async def test_physical_tenants(run, command, tenant, changed):
    """Each physical tenant is changed, or only that of the option."""
    option = [f"--physical-tenant={tenant}"] if tenant else []
    async with managed(TENANTS) as broker:
        status, _, err = await run(broker.management_url, command, *option)

        assert (status, states(broker)) == (0, TENANTS | changed)
    for name in changed:
        named = "" if name == "default" else f" of the physical tenant {name}"
        assert f" {NAME}{named}\n" in err


@pytest.mark.parametrize(
    "state, known", [({"default": E, "red": E}, "default, red"), (E, "none")]
)
async def test_no_such_physical_tenant(run, state, known):
    """An unknown tenant changes nothing, in any version."""
    async with managed(state) as broker:
        url = broker.management_url
        status, _, err = await run(url, "uninstall", "--physical-tenant", "blue")

        assert {*states(broker).values()} == {E}
    assert status == 1
    assert "lists no exporters of a physical tenant blue" in err
    assert f": {known}\n" in err


@pytest.mark.parametrize("refusal", [409, 500, 504])
async def test_not_now(run, refusal):
    """A busy broker is asked again, and the message is printed once."""
    no, yes = refused(refusal), Answer(202)
    answers = [Answer(503), listed(E), no, listed(E), no, listed(E), yes, listed(D)]
    async with Stub(lambda _: answers.pop(0)) as stub:
        status, out, err = await run(stub.url, "uninstall")

    assert (status, out, answers) == (0, f"{NAME} is disabled\n", [])
    # Some brokers require it.
    assert stub.requests[2].headers["Content-Type"] == "application/json"
    assert err.count(f"answers {refusal} Expected to do it, but won't: trying") == 1


async def test_old_status(run):
    """A broker that lists the old status for a moment isn't asked again."""
    answers = [listed(E), Answer(202), listed(E), listed("UNKNOWN"), listed(D)]
    async with Stub(lambda _: answers.pop(0)) as stub:
        status, _, _ = await run(stub.url, "uninstall")

    assert (status, answers) == (0, [])


@pytest.mark.parametrize(
    "command, before", [("uninstall", E), ("uninstall", C), ("enable", D)]
)
async def test_refused(run, command, before):
    """A permanent refusal ends the command, with the reason."""
    answers = [listed(before), refused(400)]
    async with Stub(lambda _: answers.pop(0)) as stub:
        status, out, err = await run(stub.url, command)

    assert (status, out) == (1, "")
    assert f"{NAME}: 400 Expected to do it, but won't. " in err
    assert "run this again" in err


@pytest.mark.parametrize(
    "shown, answer, why",
    [
        (listed(E), Answer(202), "ENABLED after 0.05 s"),
        (listed("DISABLING"), Answer(202), "DISABLING after 0.05 s"),
        (listed(E), refused(409), "answers 409 Expected"),
        (refused(500), Answer(202), "answers 500 Expected"),
    ],
)
async def test_not_in_time(run, shown, answer, why):
    """The command waits no longer than --timeout."""
    async with Stub(lambda each: shown if each.method == "GET" else answer) as stub:
        status, out, err = await run(stub.url, "uninstall", "--timeout", "0.05")

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
async def test_no_actuator(run, monkeypatch, answer, why):
    """Any other answer doesn't come from a broker, or from an old one."""
    monkeypatch.setattr(actuator, "ANSWER_SECONDS", 0.05 if answer is HANG else 10)
    async with Stub(answer) as stub:
        code, out, err = await run(stub.url, "uninstall", "--timeout=0")

    assert (code, out) == (1, "")
    assert why in err
    assert "--broker" in err or "docs/broker.md" in err or "run this again" in err


@pytest.mark.parametrize(
    "path, end", [("", "/"), ("", "/actuator"), ("/orchestration", "/actuator/")]
)
async def test_paths(run, path, end):
    """--broker may have a context path, and may end in /actuator or not."""
    async with managed(E, path) as broker:
        url = f"{broker.management_url}{path}{end}"
        assert (await run(url, "uninstall"))[0] == 0


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://broker.invalid:9600"])
async def test_nobody_there(run, url):
    """A closed port and a wrong name are errors with a remedy."""
    code, out, err = await run(url, "uninstall")

    assert (code, out) == (1, "")
    assert f"{url} can't be asked: " in err
    assert "Set --broker" in err


async def test_control_characters(run):
    """A text of the broker can't control the terminal."""
    async with Stub(listed(E, "\x1b[2J")) as stub:
        assert "only \\x1b[2J\n" in (await run(stub.url, "uninstall"))[2]


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
