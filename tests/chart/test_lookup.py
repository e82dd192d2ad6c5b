"""
What Helm finds in a cluster, and what it may not see there.

The API server is one of ours, with a few objects; Helm is real, so it has to be there.
"""

import json
import subprocess
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from scripts import helm
from scripts.chart import CHART
from tests.chart.official import VERSION, key, official
from tests.chart.rendering import ENV, Rendered, enabled
from tests.chart.test_replaced import OWN, brokers
from tests.chart.test_wiring import CAMUNDA, merged

pytestmark = pytest.mark.skipif(
    not helm.command(), reason="the engine from PyPI looks nothing up: install helm"
)

WIRED = {"version": f"{VERSION}.21"}
APPS = {"groupVersion": "apps/v1", "version": "v1"}


def resources(**kinds):
    """Return what an API says that it has, by kind."""
    return {
        "resources": [
            {"name": name, "kind": kind, "namespaced": True, "verbs": ["get"]}
            for kind, name in kinds.items()
        ]
    }


# What anybody may ask.
KNOWN = {
    "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
    "/api": {"versions": ["v1"]},
    "/apis": {"groups": [{"name": "apps", "versions": [APPS]}]},
    "/api/v1": resources(ConfigMap="configmaps", Secret="secrets"),
    "/apis/apps/v1": resources(StatefulSet="statefulsets"),
}


class Api(ThreadingHTTPServer):
    """As much of a Kubernetes API as `lookup` asks for."""

    objects: dict
    forbidden = ""
    """The resource that nobody may read."""

    def answer(self, path):
        """Return status and object for *path*."""
        *_, resource, name = path.split("/")
        if path in KNOWN:
            return HTTPStatus.OK, KNOWN[path]
        if resource == self.forbidden:
            return failure(
                HTTPStatus.FORBIDDEN, "Forbidden", f"{resource} is forbidden"
            )
        if (resource, name) in self.objects:
            return HTTPStatus.OK, self.objects[resource, name]
        return failure(HTTPStatus.NOT_FOUND, "NotFound", f"{name} not found")


def failure(status, reason, message):
    """Return an answer that Kubernetes gives instead of an object."""
    about = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status}
    return status, about | {"reason": reason, "message": message}


class Handler(BaseHTTPRequestHandler):
    """Answers with JSON."""

    def do_GET(self):
        """Answer, without the query."""
        status, content = self.server.answer(self.path.partition("?")[0].rstrip("/"))
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        """Say nothing."""


@pytest.fixture
def api():
    """Run an API server without objects."""
    with Api(("127.0.0.1", 0), Handler) as server:
        server.objects = {}
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def installed(api, chart, values, directory):
    """Return what Helm would install of *chart* as camunda, and its notes."""
    file = directory / "values.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    releases = directory / "releases.yaml"
    releases.write_text("[]", encoding="utf-8")
    config = directory / "kubeconfig"
    server = f"http://127.0.0.1:{api.server_port}"
    cluster = {"name": "a", "cluster": {"server": server}}
    context = {"name": "a", "context": {"cluster": "a", "user": ""}}
    content = {"clusters": [cluster], "contexts": [context], "current-context": "a"}
    config.write_text(yaml.safe_dump({"kind": "Config"} | content), encoding="utf-8")
    command = ["install", "camunda", chart, "--values", file, "--dry-run=server"]
    return subprocess.run(
        [helm.command(), *command, "--kubeconfig", config, "--namespace", "camunda"],
        capture_output=True,
        text=True,
        env={
            "HELM_DRIVER": "memory",  # no releases in Secrets
            "HELM_MEMORY_DRIVER_DATA": str(releases),
            "HOME": str(directory),
        },
        check=False,
    )


def test_notes(api, tmp_path):
    """The notes name entries of the operator that wiring would replace."""
    api.objects["statefulsets", "camunda-zeebe"] = brokers(OWN)

    done = installed(api, CHART, enabled("sidecar", camunda=WIRED), tmp_path)

    assert f"- {key()}.envFrom: mine, more" in done.stdout, done.stderr
    assert f"- {key()}.initContainers or extraInitContainers: mine" in done.stdout


@pytest.mark.skipif(key() == "zeebe", reason="up to 12.x no template is read there")
def test_checksum(api, tmp_path):
    """A change of our ConfigMap changes the brokers' pods."""
    values = merged(CAMUNDA, Rendered(enabled(camunda=WIRED)).wiring)
    config = Rendered(enabled()).find("ConfigMap", ENV)

    rendered = []
    for size in "12":
        config["data"]["APP_INTEGRATIONS_BATCH_SIZE"] = size
        api.objects["configmaps", ENV] = config
        rendered.append(installed(api, official(), values, tmp_path).stdout)

    lines = [set(each.splitlines()) for each in rendered]
    changed = lines[1] - lines[0]
    assert any("checksum/app-integrations" in each for each in changed), rendered
    assert len(changed) < 4  # the time as well


@pytest.mark.skipif(key() == "zeebe", reason="up to 12.x no template is read there")
@pytest.mark.parametrize("lookup", [True, False])
def test_forbidden(api, tmp_path, lookup):
    """Helm fails where it may not read Secrets, unless it's told not to look."""
    api.forbidden = "secrets"
    camunda = WIRED | {"lookup": lookup}
    values = merged(CAMUNDA, Rendered(enabled(camunda=camunda)).wiring)

    done = installed(api, official(), values, tmp_path)

    assert ("secrets is forbidden" in done.stderr) is lookup, done.stderr
    assert ("kind: StatefulSet" in done.stdout) is not lookup


def test_notes_without_looking(api, tmp_path):
    """Where Helm may not see the brokers, the notes are there all the same."""
    api.forbidden = "statefulsets"
    camunda = WIRED | {"lookup": False}

    done = installed(api, CHART, enabled(camunda=camunda), tmp_path)

    assert done.returncode == 0, done.stderr
    assert f"- {key()}.envFrom" in done.stdout


@pytest.mark.parametrize("there", ["security.openshift.io/v1", "apps/v1"])
def test_openshift(there, tmp_path):
    """OpenShift is recognised by what its API has: it chooses user and groups."""
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(enabled("service")), encoding="utf-8")
    command = [helm.command(), "template", "a", CHART, "--values", file]
    command += ["--kube-version", helm.KUBERNETES]

    text = subprocess.check_output([*command, "--api-versions", there], text=True)

    assert ("runAsUser" in text and "fsGroup:" in text) is (there == "apps/v1")
