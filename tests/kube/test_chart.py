"""
The chart in a real cluster, in every mode, with a real or recorded engine.

The tests of a mode share one installation, because a broker restarts slowly. Each test
leaves it ready for the next one, and a single test installs what it needs.
"""

import json
import re

import pytest

from devkit.waiting import eventually
from tests.kube.backend import URL
from tests.kube.cluster import typed
from tests.kube.installation import EXPORTER, POD, SECONDS

OFF = {"enabled": False}
ON = {
    "enabled": True,
    "backend": {"url": URL},
    # Mode `service` requires it, and every mode accepts it.
    "ingest": {"secret": {"inlineSecret": "made up"}},
}
OURS = ("APP_INTEGRATIONS_", "ZEEBE_BROKER_EXPORTERS_", "CAMUNDA_DATA_EXPORTERS_")
# The wiring reads the user's own Secret, which stays, with this prefix.
OF_THE_USER = "APP_INTEGRATIONS_INGEST_"


@pytest.fixture
def switched_on(installation):
    """Return the ready installation with the exporter on; settings may vary."""
    if not installation.is_on:
        installation.apply(ON)
    installation.ready()
    return installation


async def test_on(installation):
    """Wired but disabled, Camunda is like a stock one; enabled, events arrive."""
    installation.apply(OFF)
    await assert_stock(installation)
    before = installation.uids()

    installation.apply(ON)

    assert installation.uids()[POD] != before[POD]
    assert await delivered(installation)
    assert installation.restarts() == 0


def test_notes(switched_on):
    """The commands in the notes show that events flow."""
    status = typed(switched_on.noted("exporter status"))
    check = typed(switched_on.noted("exporter check"))
    tested = typed(switched_on.noted("helm test"))
    switched_on.namespace.kubectl("delete", "pod", "app-integrations-exporter-check")

    assert "nothing waits" in status
    assert "problem" not in check
    assert re.search(r"Phase: +Succeeded", tested)
    assert "takes our requests" in tested


async def test_what_waits(switched_on):
    """Waiting events survive a restart of the exporter's pod."""
    switched_on.backend.down()
    instance = await switched_on.start_instance()
    await eventually(lambda: waiting(switched_on), within=SECONDS)

    switched_on.namespace.kubectl("delete", "pod", switched_on.pod)
    switched_on.backend.up()

    assert await switched_on.ids_of(instance)


async def test_off_and_on_again(switched_on):
    """
    After the steps in the notes to disable the exporter, Camunda is a stock one.

    When it is enabled again, `check` asks to enable it in the broker, too. As the
    broker's only exporter, it starts with the broker's next restart.
    """
    typed(switched_on.noted("exporter uninstall"))
    switched_on.apply(OFF)
    await assert_stock(switched_on)

    switched_on.apply(ON)
    check = typed(switched_on.noted("exporter check") + " || true")
    assert "Enable it" in check
    typed(switched_on.noted("exporter uninstall").replace("uninstall", "enable"))
    await eventually(switched_on.is_exporting, within=SECONDS)
    typed(switched_on.noted("rollout restart"))
    switched_on.ready()

    assert await delivered(switched_on)


async def test_upgrades(installation):
    """An upgrade without a change restarts no pod; a setting, only the exporter's."""
    installation.apply(ON)
    before = installation.uids()

    installation.apply(ON)
    unchanged = installation.uids()
    installation.apply(ON | {"env": {"APP_INTEGRATIONS_CLUSTER_ID": "renamed"}})

    after = installation.uids()
    assert unchanged == before
    assert [name for name in after if after[name] != before[name]] == [installation.pod]
    (identity,) = await delivered(installation)
    assert identity.startswith("renamed-")


async def test_existing_secrets(installation):
    """All secrets can come from the user's own Secret."""
    values = {"backend": URL, "apiKey": "k", "ingest": "between us"}
    literals = [f"--from-literal={name}={value}" for name, value in values.items()]
    secret = ("create", "secret", "generic", "teams-own")
    installation.namespace.kubectl(*secret, *literals)

    references = {
        name: {"secret": {"existingSecret": "teams-own", "existingSecretKey": name}}
        for name in values
    }
    installation.apply({"enabled": True} | references)

    assert await delivered(installation)
    assert URL not in json.dumps(installation.namespace.get("configmaps"))


async def test_uninstalled(switched_on):
    """An uninstalled release leaves no objects, and Camunda runs without it."""
    kinds = "all,configmaps,secrets,networkpolicies"
    selector = f"--selector=app.kubernetes.io/instance={EXPORTER}"
    assert switched_on.namespace.get(kinds, selector)

    switched_on.uninstall()
    await eventually(
        lambda: not switched_on.namespace.get(kinds, selector), within=SECONDS
    )
    switched_on.upgrade_camunda()

    await assert_stock(switched_on)


async def delivered(installation):
    """Start an instance; return the ids of its events at the backend."""
    return await installation.ids_of(await installation.start_instance())


async def assert_stock(installation):
    """Assert that broker and pods show no trace of the exporter."""
    names = {name for name in installation.variables() if name.startswith(OURS)}
    left = {name for name in names if not name.startswith(OF_THE_USER)}
    assert left <= {"APP_INTEGRATIONS_ENABLED"}
    assert "app-integrations" not in installation.processes()
    assert list(installation.uids()) == [POD]
    # The broker remembers its exporters, and detects a missing one after a moment.
    await eventually(lambda: not installation.is_exporting(), within=SECONDS)


def waiting(installation):
    """Return the number of events in the exporter's spool."""
    line = installation.noted("exporter status")
    status = typed(line.replace("exporter status", "exporter status --json || true"))
    return json.loads(status[status.index("{") :])["spool"]["events"]
