"""The values for the release of Camunda work in the official chart."""

import itertools
import re
import subprocess

import pytest
import yaml

from scripts import chart as charts
from scripts import helm
from scripts.chart import MODES
from scripts.helm import RefusedError
from tests.chart.official import (
    VERSION,
    VERSIONS,
    container,
    exporter_in,
    key,
    released,
    wired,
)
from tests.chart.rendering import (
    ENV,
    EXAMPLES,
    OWN,
    Rendered,
    enabled,
    restricted,
    valid,
)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples(example):
    """Kubernetes accepts the wired brokers, which start without any object of ours."""
    brokers = wired(EXAMPLES[example])

    valid(brokers)
    pod = brokers["spec"]["template"]["spec"]
    claims = brokers["spec"].get("volumeClaimTemplates", [])
    volumes = {each["name"] for each in pod["volumes"]}
    volumes |= {each["metadata"]["name"] for each in claims}
    for each in pod["containers"] + (pod.get("initContainers") or []):
        assert {mount["name"] for mount in each.get("volumeMounts", [])} <= volumes
        for source in each.get("envFrom", []):
            reference = source.get("configMapRef") or source["secretRef"]
            ours = reference["name"] in (ENV, OWN) or "prefix" in source
            assert not ours or reference["optional"] is True


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_version(version, mode):
    """The brokers of each chart read our variables last, and get image or sidecar."""
    secret = {"secret": {"existingSecret": "ours", "existingSecretKey": "key"}}
    values = enabled(mode, ingest=secret, extraVolumes=[{"name": "x", "emptyDir": {}}])
    brokers = wired(values, version)
    stock = released(version=version).find("StatefulSet", "camunda-zeebe")

    valid(brokers)
    broker, official = container(brokers, version), container(stock, version)
    added = broker["envFrom"][len(official.get("envFrom") or []) :]
    assert added[:2] == [
        {"configMapRef": {"name": ENV, "optional": True}},
        {"secretRef": {"name": ENV, "optional": True}},
    ]
    prefixes = [each["prefix"] for each in added[2:]]
    assert prefixes == ([] if mode == "embedded" else ["APP_INTEGRATIONS_INGEST_"])
    for name in ("image", "command"):
        assert (broker.get(name) == official.get(name)) is (mode != "embedded")
    pod = brokers["spec"]["template"]["spec"]
    sidecars = [each["name"] for each in pod.get("initContainers") or []]
    assert ("app-integrations-exporter" in sidecars) is (mode == "sidecar")
    names = {volume["name"] for volume in pod["volumes"]}
    assert ("x" in names) is (mode != "service")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("half", [{"existingSecret": "a"}, {"existingSecretKey": "b"}])
def test_half_a_secret(mode, half):
    """While the flag is off, an incomplete secret breaks no wired broker."""
    values = enabled(mode, enabled=False, apiKey={"secret": half})

    brokers = wired(values | {"ingest": {"secret": half}})

    valid(brokers)
    assert "/etc/app-integrations" not in str(brokers)


OTHER = "8.8.21" if VERSION != "8.8" else "8.9.17"


@pytest.mark.skipif(key() == "zeebe", reason="up to 12.x no template is read there")
@pytest.mark.parametrize(
    "mode,version", [("embedded", OTHER), *((mode, "8.7.26") for mode in MODES)]
)
def test_guard(mode, version):
    """Camunda isn't upgraded where it would keep an old image, or lose the wiring."""
    wiring = Rendered(enabled(mode, camunda={"version": version})).wiring

    with pytest.raises(RefusedError) as refused:
        released(wiring)

    sentence = "is wired for Camunda 8.[789]: set camunda.version in its release"
    assert re.search(sentence, str(refused.value))


def test_literals_without_spaces():
    """The official chart folds long lines at spaces, which would end a literal."""
    for mode, version in itertools.product(MODES, ["8.7.26", "8.8.21"]):
        wiring = Rendered(enabled(mode, camunda={"version": version})).wiring
        for values in wiring.values():
            for text in values.get("podAnnotations", {}).values():
                assert not any(" " in each for each in re.findall('"(.*?)"', text))


def test_wiring_without_a_cluster():
    """The command in docs/install/helm.md writes the same values to a file."""
    page = (charts.CHART.parents[1] / "docs/install/helm.md").read_text("utf-8")
    (script,) = re.findall(r"sed '(.+?)'", page)
    text = helm.render(charts.CHART, enabled())["wiring.yaml"]

    values = subprocess.check_output(["sed", script], input=text, text=True)

    wiring = Rendered(enabled()).wiring
    assert yaml.safe_load(values) == wiring
    assert set(wiring) == {"orchestration"}  # nothing for other images of Camunda


def openshift(adapt):
    """Return the global value with which the official chart adapts to OpenShift."""
    compatibility = {"openshift": {"adaptSecurityContext": adapt}}
    return {"global": {"compatibility": compatibility}}


CHOSEN = {
    "containerSecurityContext": {"runAsUser": None},
    "podSecurityContext": {"fsGroup": None},
}


@pytest.mark.parametrize("mode", ["sidecar", "service"])
@pytest.mark.parametrize(
    "changes,ours",
    [(openshift("force"), False), (openshift("disabled"), True), (CHOSEN, False)],
)
def test_user_and_groups(mode, changes, ours):
    """OpenShift, or a null, leaves user and groups to a cluster that chooses them."""
    text = yaml.safe_dump(Rendered(enabled(mode, **changes)).objects)

    assert bool(re.search("runAsUser|fsGroup:", text)) is ours
    assert "runAsNonRoot: true" in text


@pytest.mark.parametrize("off", [{}, {"enabled": False}])
def test_sidecar(off):
    """A sidecar starts before the broker, stays, and is healthy also while it's off."""
    env = {"APP_INTEGRATIONS_ADMIN_HOST": "::", "APP_INTEGRATIONS_ADMIN_PORT": 9999}
    values = enabled("sidecar", env=env)

    _, sidecar = exporter_in(values | off)

    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["args"] == ["run", "--standby"]
    assert {"name": "data", "mountPath": "/data"} in sidecar["volumeMounts"]
    spool = Rendered(values).read(OWN)["APP_INTEGRATIONS_SPOOL_DIR"]
    assert spool == "/data/app-integrations"
    # A salvage keeps the ports closed, and a probe must not end it.
    probe = sidecar["livenessProbe"]
    assert probe["initialDelaySeconds"] == 600
    assert "startupProbe" not in sidecar
    (port,) = sidecar["ports"]
    assert probe["httpGet"]["port"] == port["name"]
    assert port["containerPort"] == 9999
    variables = {each["name"]: each["value"] for each in sidecar["env"]}
    assert variables == {name: str(text) for name, text in env.items()}
    restricted(sidecar)


def test_service():
    """The exporter's own pod passes the restricted profile, and asks no API."""
    values = enabled("service", env={"APP_INTEGRATIONS_SHUTDOWN_TIMEOUT_MS": 45_500})

    pod, container = exporter_in(values)

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert not any("hostPath" in volume for volume in pod.get("volumes", []))
    # A little longer than the drain.
    assert pod["terminationGracePeriodSeconds"] == 66
    restricted(container)


def test_network_policy():
    """Only brokers and listed peers reach the ingest; the admin port is open."""
    peer = {"ipBlock": {"cidr": "10.0.0.0/8"}}
    values = enabled("service", networkPolicy={"extraFrom": [peer]})
    policy = Rendered(values).find("NetworkPolicy")["spec"]
    broker = wired(values)["spec"]["template"]["metadata"]["labels"]

    ingest, admin = policy["ingress"]
    assert ingest["ports"] == [{"port": "ingest"}]
    brokers, listed = ingest["from"]
    assert brokers["podSelector"]["matchLabels"].items() <= broker.items()
    assert listed == peer
    assert admin == {"ports": [{"port": "exporter-admin"}]}


def checksums(values):
    """Return the annotations with which changed settings restart pods."""
    rendered = Rendered(values)
    pods = [each for each in rendered.wiring.values() if "envFrom" in each]
    found = [each["podAnnotations"]["checksum/app-integrations"] for each in pods]
    if rendered.find("StatefulSet"):
        found.append(rendered.pod["metadata"]["annotations"]["checksum/settings"])
    return found


CHANGES = [
    {"env": {"APP_INTEGRATIONS_BATCH_SIZE": 7}},
    {"backend": {"url": "https://other.example"}},
    {"apiKey": {"secret": {"inlineSecret": "other"}}},
    {"ingest": {"secret": {"inlineSecret": "other"}}},
    {"tls": {"ca": {"secret": {"inlineSecret": "other"}}}},
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "camunda", [{"version": "8.8.21", "lookup": False}, {"version": "8.7.26"}]
)
def test_changes_restart_pods(mode, camunda):
    """Where Helm looks nothing up, every change has another checksum in the values."""
    values = enabled(mode, camunda=camunda)
    variants = [checksums(values | change) for change in [{}, *CHANGES]]

    assert checksums(values) == variants[0]
    assert checksums(values | {"enabled": False}) == ["off"]
    for each in zip(*variants, strict=True):
        assert len(set(each)) == len(variants)
        assert "lookup" not in str(each)


@pytest.mark.parametrize("mode", MODES)
def test_lookup_restarts_brokers(mode):
    """The broker's pod has a checksum of the objects that Helm finds in the cluster."""
    template = checksums(enabled(mode))[0]

    names = [ENV, OWN] if mode == "sidecar" else [ENV]
    looked = re.findall(r'\(lookup "v1" "(.+?)" .Release.Namespace "(.+?)"\)', template)
    assert set(looked) == set(itertools.product(["ConfigMap", "Secret"], names))
    assert len(looked) == 2 * len(names)
