"""
The chart with a real broker in a real cluster, in every mode.

A broker takes ten seconds to restart, so the tests of a mode share one, and each leaves
it as the next one likes to find it. Alone, a test makes what it needs.
"""

import json

import pytest

from tests.conftest import eventually
from tests.containers.brokers import START_SECONDS
from tests.integration.office import PATIENCE
from tests.kube import backend
from tests.kube.cluster import typed
from tests.kube.installation import EXPORTER, OWN_POD, POD

OFF = {"enabled": False}
ON = {
    "enabled": True,
    "backend": {"url": backend.URL},
    # Mode `service` needs it, and every mode takes it.
    "ingest": {"secret": {"inlineSecret": "made up"}},
}
OURS = ("APP_INTEGRATIONS_", "ZEEBE_BROKER_EXPORTERS_", "CAMUNDA_DATA_EXPORTERS_")
# The wiring takes it from the user's own Secret, which nobody removes.
OF_THE_USER = "APP_INTEGRATIONS_INGEST_PASSWORD"
CREATED = ["CREATED"]


@pytest.fixture
def switched_on(installation):
    """Return the installation with the exporter on, however it's configured."""
    if not installation.is_on:
        installation.apply(ON)
    return installation


async def test_off(installation):
    """A Camunda that is wired starts as a stock one while the flag is off."""
    installation.apply(OFF)

    await assert_stock(installation)


async def test_on(installation):
    """With the flag on, and Camunda upgraded, the backend is told of a user task."""
    installation.apply(OFF)
    before = installation.uids()

    installation.apply(ON)

    assert installation.uids()[POD] != before[POD]
    assert await told(installation)
    assert installation.restarts() == 0


def test_nothing_changed(installation):
    """An upgrade of both releases without a change leaves every pod alone."""
    installation.apply(ON)
    before = installation.uids()

    installation.apply(ON)

    assert installation.uids() == before


def test_notes(switched_on):
    """The commands in the notes show that events flow."""
    status = typed(switched_on.noted("exporter status"))
    check = typed(switched_on.noted("exporter check"))

    assert "nothing waits" in status
    assert "problem" not in check


async def test_what_waits(switched_on):
    """What waits for the backend outlasts the pod with the exporter."""
    switched_on.backend.down()

    async with switched_on.office() as office:
        (instance,) = await office.review(1)
        await eventually(lambda: waiting(switched_on), within=PATIENCE)
    pod = pod_with_exporter(switched_on)
    switched_on.namespace.kubectl("delete", "pod", pod)
    switched_on.backend.up()
    await eventually(lambda: switched_on.is_ready(pod), within=START_SECONDS)

    await office.all_told([instance], CREATED)


async def test_off_and_on_again(switched_on):
    """
    Switched off as the notes say, Camunda is a stock one.

    Switched on again, the exporter has to be enabled in the broker, too, which `check`
    says. As it's the only one here, the broker begins with it when it starts again.
    """
    typed(switched_on.noted("exporter uninstall"))
    switched_on.apply(OFF)
    await assert_stock(switched_on)

    switched_on.apply(ON)
    check = typed(switched_on.noted("exporter check") + " || true")
    assert "Enable it" in check
    typed(switched_on.noted("exporter uninstall").replace("uninstall", "enable"))
    await eventually(lambda: is_exporting(switched_on), within=PATIENCE)
    await restart(switched_on)

    assert await told(switched_on)


async def test_changed_setting(installation):
    """A setting that is changed restarts the pod with the exporter, and no other."""
    installation.apply(ON)
    before = installation.uids()

    installation.apply(ON | {"env": {"APP_INTEGRATIONS_CLUSTER_ID": "renamed"}})

    after = installation.uids()
    changed = [name for name in after if after[name] != before[name]]
    assert changed == [pod_with_exporter(installation)]
    (identity,) = await told(installation)
    assert identity.startswith("renamed-")


async def test_existing_secrets(installation):
    """Where everything secret lies in a Secret of the user's own, it's read there."""
    installation.namespace.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "teams-own"},
            "stringData": {"where": backend.URL, "key": "k", "words": "between us"},
        }
    )

    installation.apply(
        {
            "enabled": True,
            "backend": secret("where"),
            "apiKey": secret("key"),
            "ingest": secret("words"),
        }
    )

    assert await told(installation)
    assert backend.URL not in json.dumps(installation.namespace.get("configmaps"))


async def test_uninstalled(switched_on):
    """What is uninstalled leaves nothing, and Camunda goes on without it."""
    kinds = "all,configmaps,secrets,networkpolicies"
    ours = f"--selector=app.kubernetes.io/instance={EXPORTER}"
    assert switched_on.namespace.get(kinds, ours)

    switched_on.uninstall()
    await eventually(
        lambda: not switched_on.namespace.get(kinds, ours), within=PATIENCE
    )
    switched_on.upgrade_camunda()

    await assert_stock(switched_on)


async def told(installation):
    """Start an instance; return the ids of what the backend is told of its task."""
    async with installation.office() as office:
        instances = await office.review(1)
        await office.all_told(instances, CREATED)
        return office.identities(instances)


async def restart(installation):
    """Restart the brokers as the notes say."""
    before = installation.uids()[POD]
    typed(installation.noted("rollout restart"))
    await eventually(
        lambda: installation.is_ready(POD, other_than=before), within=START_SECONDS
    )


async def assert_stock(installation):
    """Broker and pods are as if nobody had thought of an exporter."""
    names = {name for name in installation.variables() if name.startswith(OURS)}
    processes = " ".join(installation.processes().values())
    assert names - {OF_THE_USER} == set()
    assert "app-integrations" not in processes
    assert list(installation.uids()) == [POD]
    # It remembers those it had, and finds out soon that one isn't there any more.
    await eventually(lambda: not is_exporting(installation), within=PATIENCE)


def is_exporting(installation):
    """Return whether the broker has an exporter that it exports to."""
    return "ENABLED" in installation.exporters().values()


def pod_with_exporter(installation):
    """Return the name of the pod that the exporter runs in."""
    return OWN_POD if installation.mode == "service" else POD


def secret(key):
    """Return the values of a secret that is a *key* of the user's own Secret."""
    place = {"existingSecret": "teams-own", "existingSecretKey": key}
    return {"secret": place}


def waiting(installation):
    """Return how many events the exporter holds."""
    status = typed(installation.noted("exporter status") + " --json || true")
    return json.loads(status)["spool"]["events"]
