"""
Helm looks up objects in a cluster, unless it may not.

The API server is a stub with a few objects. Helm is real, so it must be installed.
"""

import subprocess

import pytest
import yaml

from scripts import helm
from scripts.chart import CHART
from tests.chart.official import CAMUNDA, key, merged, official
from tests.chart.rendering import ENV, Rendered, enabled
from tests.chart.test_replaced import OPERATORS, WIRED, brokers

pytestmark = pytest.mark.skipif(
    not helm.command(), reason="the engine from PyPI looks nothing up: install helm"
)
reads_templates = pytest.mark.skipif(
    key() == "zeebe", reason="up to 12.x no template is read there"
)

BROKERS = "/apis/apps/v1/namespaces/camunda/statefulsets/camunda-zeebe"
OURS = f"/api/v1/namespaces/camunda/{{}}/{ENV}"


def resources(**kinds):
    """Return the answer of an API that has *kinds*."""
    return {
        "resources": [
            {"name": name, "kind": kind, "namespaced": True, "verbs": ["get"]}
            for kind, name in kinds.items()
        ]
    }


APPS = {"groupVersion": "apps/v1", "version": "v1"}
KNOWN = {
    "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
    "/api": {"versions": ["v1"]},
    "/apis": {"groups": [{"name": "apps", "versions": [APPS]}]},
    "/api/v1": resources(ConfigMap="configmaps", Secret="secrets"),
    "/apis/apps/v1": resources(StatefulSet="statefulsets"),
}


@pytest.fixture
def api(httpserver):
    """Return an API server without objects."""
    httpserver.no_handler_status_code = 404
    for path, content in KNOWN.items():
        httpserver.expect_request(path).respond_with_json(content)
    return httpserver


def forbid(api, path):
    """Let nobody read the object at *path*."""
    api.expect_request(path).respond_with_data("it is forbidden", status=403)


@pytest.fixture
def install(api, tmp_path):
    """Return a function that shows what Helm would install as camunda."""
    cluster = {"name": "a", "cluster": {"server": api.url_for("")}}
    context = {"name": "a", "context": {"cluster": "a", "user": ""}}
    config = {"kind": "Config", "clusters": [cluster], "contexts": [context]}

    def install(chart, values):
        files = {
            "values": values,
            "kubeconfig": config | {"current-context": "a"},
            "releases": [],
        }
        for name, content in files.items():
            (tmp_path / name).write_text(yaml.safe_dump(content), encoding="utf-8")
        return subprocess.run(
            [
                *(helm.command(), "install", "camunda", chart, "--values=values"),
                *("--dry-run=server", "--kubeconfig=kubeconfig", "--namespace=camunda"),
            ],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={
                "HELM_DRIVER": "memory",  # no releases in Secrets
                "HELM_MEMORY_DRIVER_DATA": "releases",
                "HOME": str(tmp_path),
            },
            check=False,
        )

    return install


def test_notes(api, install):
    """The notes name the operator's entries that wiring would replace."""
    api.expect_request(BROKERS).respond_with_json(brokers(OPERATORS))

    done = install(CHART, enabled("sidecar", camunda=WIRED))

    assert f"- {key()}.envFrom: mine, more" in done.stdout, done.stderr
    assert f"- {key()}.initContainers or extraInitContainers: mine" in done.stdout


def test_notes_without_looking(api, install):
    """If Helm may not see the brokers, the notes only name the lists."""
    forbid(api, BROKERS)

    done = install(CHART, enabled(camunda=WIRED | {"lookup": False}))

    assert done.returncode == 0, done.stderr
    assert f"- {key()}.envFrom\n" in done.stdout


@reads_templates
def test_checksum(api, install):
    """A change of our ConfigMap changes the brokers' pods."""
    values = merged(CAMUNDA, Rendered(enabled(camunda=WIRED)).wiring)
    config = Rendered(enabled()).find("ConfigMap", ENV)

    rendered = []
    for size in "12":
        config["data"]["APP_INTEGRATIONS_BATCH_SIZE"] = size
        one = api.expect_oneshot_request(OURS.format("configmaps"))
        one.respond_with_json(config)
        rendered.append(install(official(), values).stdout)

    lines = [set(each.splitlines()) for each in rendered]
    changed = lines[1] - lines[0]
    assert any("checksum/app-integrations" in each for each in changed), rendered
    assert len(changed) < 4  # the time as well


@reads_templates
@pytest.mark.parametrize("lookup", [True, False])
def test_forbidden(api, install, lookup):
    """Helm fails if it may not read Secrets, unless `camunda.lookup` is false."""
    forbid(api, OURS.format("secrets"))
    camunda = WIRED | {"lookup": lookup}
    values = merged(CAMUNDA, Rendered(enabled(camunda=camunda)).wiring)

    done = install(official(), values)

    assert ("it is forbidden" in done.stderr) is lookup, done.stderr
    assert ("kind: StatefulSet" in done.stdout) is not lookup


@pytest.mark.parametrize("there", ["security.openshift.io/v1", "apps/v1"])
def test_openshift(there):
    """OpenShift is recognised by its API: it chooses user and groups."""
    command = [helm.command(), "template", "a", CHART, "--values=-"]
    command += ["--kube-version", helm.KUBERNETES, "--api-versions", there]
    values = yaml.safe_dump(enabled("service"))

    text = subprocess.check_output(command, input=values, text=True)

    assert ("runAsUser" in text and "fsGroup:" in text) is (there == "apps/v1")
