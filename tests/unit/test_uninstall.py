"""`uninstall` releases the broker's log in every state of our exporter."""

import asyncio
import json

import pytest

from devkit.backend import HANG, Answer
from exporter import cli
from exporter.broker import actuator
from exporter.broker.actuator import Step, releasing
from tests.unit.actuators import ActuatorStub

NAME = "appintspool"


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    """Poll without a pause."""
    monkeypatch.setattr(actuator, "POLL_SECONDS", 0)


@pytest.fixture
async def broker():
    """Return an actuator that lists an exporter that isn't ours."""
    async with ActuatorStub({"other": "ENABLED"}) as broker:
        yield broker


@pytest.fixture
def uninstall(broker, capsys):
    """Return a function that runs the command; it returns status, stdout, stderr."""

    async def run(*argv, url=None):
        argv = ["uninstall", "--broker", url or broker.url, *argv]
        return await asyncio.to_thread(cli.main, argv), *capsys.readouterr()

    return run


E, D, C, U = "ENABLED", "DISABLED", "CONFIG_NOT_FOUND", "UNKNOWN"


@pytest.mark.parametrize(
    "statuses, accepted, step",
    [
        ([], [], Step.NOTHING),
        ([D], [], Step.NOTHING),
        ([D], [Step.DISABLE], Step.NOTHING),
        ([E], [], Step.DISABLE),
        ([E], [Step.DISABLE], Step.WAIT),
        ([E], [Step.DELETE], Step.DISABLE),
        ([E, D], [], Step.DISABLE),
        (["DISABLING"], [], Step.WAIT),
        (["ENABLING"], [], Step.WAIT),
        ([C, "DISABLING"], [], Step.WAIT),
        ([C], [], Step.DELETE),
        ([C], [Step.DELETE], Step.WAIT),
        ([C], [Step.DELETE, Step.DISABLE], Step.WAIT),
        ([C, D], [], Step.DELETE),
        ([C, E], [], Step.DELETE),
        ([U], [], Step.DISABLE),
        ([U], [Step.DELETE], Step.WAIT),
        (["NEWER"], [], Step.DISABLE),
    ],
)
def test_releasing(statuses, accepted, step):
    """Only an exporter without variables is deleted; any other one is disabled."""
    assert releasing(statuses, accepted) is step


@pytest.mark.parametrize("looks", [0, 2])
async def test_disabled(broker, uninstall, looks):
    """A running exporter is disabled, and the command prints the next steps."""
    broker.exporters[NAME] = "ENABLED"
    broker.looks = looks

    status, out, err = await uninstall()

    assert (status, out) == (0, "appintspool is disabled\n")
    assert broker.asked == ["disable"]
    assert broker.exporters == {"other": "ENABLED", NAME: "DISABLED"}
    *progress, advice = err.splitlines()
    assert [line for line in progress if "request to disable appintspool" in line]
    assert "Now remove its variables from every broker" in advice
    assert "APP_INTEGRATIONS_ENABLED=false" in advice


async def test_again(broker, uninstall):
    """The command may be repeated: a disabled exporter is left alone."""
    broker.exporters[NAME] = "DISABLED"

    status, out, err = await uninstall("--json")

    assert status == 0
    assert json.loads(out) == {"id": NAME, "status": "DISABLED", "forgotten": False}
    assert broker.asked == []
    assert "Now remove its variables" in err


async def test_forgotten(broker, uninstall):
    """An exporter without variables is deleted, not disabled."""
    broker.exporters[NAME] = "CONFIG_NOT_FOUND"

    status, out, err = await uninstall("--json")

    assert status == 0
    assert json.loads(out) == {"id": NAME, "status": None, "forgotten": True}
    assert broker.asked == ["delete"]
    assert "has forgotten appintspool" in err


async def test_never_known(broker, uninstall):
    """If there is nothing to do, the command prints the broker's exporters."""
    status, out, err = await uninstall()

    assert (status, out) == (0, "appintspool is not known\n")
    assert broker.asked == []
    assert "Nothing to do" in err
    assert "other" in err


async def test_another_id(broker, uninstall):
    """The case of an id doesn't matter."""
    broker.exporters[NAME] = "ENABLED"

    status, out, _ = await uninstall("--id", "AppIntSpool")

    assert (status, out) == (0, "appintspool is disabled\n")


async def test_several_tenants(broker, uninstall):
    """An exporter with several statuses is done when all are DISABLED."""
    broker.exporters[NAME] = ["DISABLED", "ENABLED"]

    status, _, _ = await uninstall()

    assert status == 0
    assert broker.asked == ["disable"]


async def test_every_physical_tenant(broker, uninstall):
    """Each physical tenant is changed, one after another."""
    broker.exporters[NAME] = {"default": E, "red": D, "blue": C}

    status, out, err = await uninstall()

    assert (status, out) == (0, "appintspool is disabled\n")
    assert broker.asked == ["delete blue", "disable default"]
    assert broker.exporters[NAME] == {"default": D, "red": D, "blue": None}
    assert "to disable appintspool of the physical tenant default" in err


async def test_one_physical_tenant(broker, uninstall):
    """The other physical tenants go on exporting."""
    broker.exporters[NAME] = {"default": E, "red": E}

    status, _, _ = await uninstall("--physical-tenant", "red")

    assert status == 0
    assert broker.asked == ["disable red"]
    assert broker.exporters[NAME] == {"default": E, "red": D}


async def test_the_only_physical_tenant(broker, uninstall):
    """A request doesn't name the tenant if there is only one."""
    broker.exporters = {NAME: {"default": E}}

    assert (await uninstall())[0] == 0
    assert broker.asked == ["disable"]


@pytest.mark.parametrize(
    "statuses, why",
    [
        ({"default": E, "red": E}, "It lists those of default, red"),
        (E, "There are physical tenants from Camunda 8.10 on"),
    ],
)
async def test_no_such_physical_tenant(broker, uninstall, statuses, why):
    """An unknown tenant changes nothing, in any version."""
    broker.exporters = {NAME: statuses}

    status, _, err = await uninstall("--physical-tenant", "blue")

    assert (status, broker.asked) == (1, [])
    assert "lists no exporters of a physical tenant blue" in err
    assert why in err


@pytest.mark.parametrize("refusal", [409, 500, 502, 504])
async def test_not_now(broker, uninstall, refusal):
    """A busy broker is asked again, and the message is printed once."""
    broker.exporters[NAME] = "ENABLED"
    broker.answers = {"GET": [503, 503], "POST": [refusal, refusal]}

    status, out, err = await uninstall()

    assert (status, out) == (0, "appintspool is disabled\n")
    assert broker.asked == ["disable"] * 3
    assert err.count(f"answers {refusal} Expected to do it, but won't: trying") == 1


@pytest.mark.parametrize("refusal", [400, 404, 405])
async def test_not_deletable(broker, uninstall, refusal):
    """An exporter that can't be deleted is disabled: that releases the log, too."""
    broker.exporters[NAME] = "CONFIG_NOT_FOUND"
    broker.answers = {"DELETE": [refusal]}

    status, out, err = await uninstall()

    assert (status, out) == (0, "appintspool is disabled\n")
    assert broker.asked == ["delete", "disable"]
    assert f"doesn't delete appintspool: {refusal} Expected to do it, but won't" in err


@pytest.mark.parametrize("refusal", [400, 404])
async def test_not_to_be_disabled(broker, uninstall, refusal):
    """A permanent refusal ends the command, with the reason."""
    broker.exporters[NAME] = "ENABLED"
    broker.answers = {"POST": [refusal]}

    status, out, err = await uninstall()

    assert (status, out) == (1, "")
    assert f"doesn't disable appintspool: {refusal} Expected to do it, but won't" in err
    assert "run this again" in err


@pytest.mark.parametrize(
    "exporters, answers, why",
    [
        ({NAME: "ENABLED"}, {}, "ENABLED after 0.05 s"),
        ({NAME: "DISABLING"}, {}, "DISABLING after 0.05 s"),
        ({NAME: "ENABLED"}, {"POST": [409] * 10_000}, "answers 409 Expected"),
        ({}, {"GET": [500] * 10_000}, "answers 500 Expected"),
    ],
)
async def test_not_in_time(broker, uninstall, exporters, answers, why):
    """The command waits no longer than --timeout."""
    broker.exporters, broker.answers, broker.looks = exporters, answers, 10**9

    status, out, err = await uninstall("--timeout", "0.05")

    assert (status, out) == (1, "")
    error = err.splitlines()[-1]
    assert error.startswith("app-integrations-exporter: ")
    assert why in error


@pytest.mark.parametrize(
    "status, body",
    [
        (200, b"<html>"),
        (200, b"{}]"),
        (200, b'{"status": "UP"}'),
        (200, b'[{"exporterId": "appintspool"}]'),
        (200, b'["appintspool"]'),
        (200, b"7"),
        (200, b"\xff"),
        (204, b""),
        (302, b"[]"),
        (404, b"[]"),
        (404, b"not found"),
    ],
)
async def test_no_actuator(broker, uninstall, status, body):
    """Any other answer doesn't come from a broker, or from an old one."""
    broker.answer = Answer(status, {"Location": "/"}, body)

    code, out, err = await uninstall()

    assert (code, out) == (1, "")
    assert f"answers {status}, but not like the actuator" in err
    assert "--broker" in err


async def test_context_path(broker, uninstall):
    """A 404 suggests a context path, and with the path the command works."""
    broker.path = "/orchestration"

    _, _, err = await uninstall()

    assert "context path" in err
    assert f"--broker {broker.url}/orchestration" in err
    for end in ("", "/", "/actuator"):
        assert (await uninstall(url=f"{broker.url}/orchestration{end}"))[0] == 0


async def test_credentials_wanted(broker, uninstall):
    """A protected actuator has its own message."""
    broker.answer = 401

    code, _, err = await uninstall()

    assert code == 1
    assert "credentials: it answers 401" in err


async def test_nobody_there(broker, uninstall):
    """A closed port is an error with a remedy."""
    await broker.down()

    code, out, err = await uninstall()

    assert (code, out) == (1, "")
    assert f"{broker.url} can't be asked: Connection refused. " in err
    assert "--broker" in err


async def test_no_such_host(uninstall):
    """A name that doesn't resolve is an error."""
    code, _, err = await uninstall(url="http://broker.invalid:9600")

    assert code == 1
    assert "http://broker.invalid:9600 can't be asked: " in err


async def test_silence(broker, monkeypatch, uninstall):
    """A broker that doesn't answer is an error after a while."""
    monkeypatch.setattr(actuator, "ANSWER_SECONDS", 0.05)
    broker.answer = HANG

    code, _, err = await uninstall()

    assert code == 1
    assert "no answer in time" in err


@pytest.mark.parametrize("behind", ["/", "/actuator", "/actuator/"])
async def test_where_it_is(broker, uninstall, behind):
    """The path of --broker may end in /actuator or not."""
    assert (await uninstall(url=broker.url + behind))[0] == 0


@pytest.mark.parametrize(
    "argv, why",
    [
        (["--broker", "127.0.0.1:9600"], "must be an absolute http"),
        (["--broker", "http://ann:hunter2@broker:9600"], "without user and password"),
        (["--timeout", "-1"], "'-1' isn't a number"),
        (["--timeout", "inf"], "'inf' isn't a number"),
        (["--timeout", "soon"], "'soon' isn't a number"),
    ],
)
def test_what_can_not_be_meant(argv, why, capsys):
    """A wrong command line does nothing: status 2."""
    with pytest.raises(SystemExit) as left:
        cli.main(["uninstall", *argv])

    assert left.value.code == 2
    said = capsys.readouterr().err
    assert why in said
    assert "hunter2" not in said
