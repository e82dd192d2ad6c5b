"""After an installation the notes list the next steps, as commands that work."""

import os
import re
import subprocess
from base64 import b64encode

import pytest
from pytest_httpserver import HTTPServer

from scripts.chart import CHART, MODES
from tests.chart.official import VERSION, key, released
from tests.chart.rendering import Rendered, enabled

WHERE = {
    "embedded": "-c orchestration",
    "sidecar": "-c app-integrations-exporter",
    "service": "",
}
BROKERS = "-l app.kubernetes.io/instance=c8,app.kubernetes.io/component=zeebe-broker"

# `kubectl` and `helm` that log their arguments. Three brokers are usual.
TOOL = """\
#!/bin/bash
echo "${0##*/} $*" >>log
if [[ $* == *"get pods"* ]]; then printf 'pod/c8-zeebe-%s\\n' 0 1 2; fi
"""

# What the official chart may have moved; ours then needs the same values.
MOVED = {"contextPath": "/orchestration/", "managementPort": 9700}


def commands(notes):
    """Return the commands in *notes*: indented lines that start with a known tool."""
    lines = [line.strip() for line in notes.splitlines() if line.startswith("     ")]
    for line in lines:
        assert line.startswith(("kubectl ", "helm ", "for ", "curl "))
        assert " -n prod" in line or "/prod/" in line or "127.0.0.1" in line
    return lines


def noted(values, **camunda):
    """Return the notes for *values* with changes of the value `camunda`."""
    values = values | {"camunda": {"version": f"{VERSION}.21"} | camunda}
    return Rendered(values, name="ai", namespace="prod").notes


def calls(lines, directory):
    """Run *lines* with stubs for the tools, and return the calls of these."""
    for name in ("kubectl", "helm"):
        (directory / name).write_text(TOOL, encoding="utf-8")
        (directory / name).chmod(0o755)
    path = {"PATH": f"{directory}:{os.environ['PATH']}"}
    for line in lines:
        command = ["bash", "-euc", line.replace("<this chart>", "chart")]
        subprocess.run(command, check=True, env=path, cwd=directory)
    return (directory / "log").read_text("utf-8").splitlines()


@pytest.mark.parametrize("mode", MODES)
def test_switched_on(mode, tmp_path):
    """They wire, restart, check every exporter, and remove it without a trace."""
    notes = noted(enabled(mode), release="c8", version="8.8.21")

    service = mode == "service"
    exec_ = "kubectl -n prod exec {} -- app-integrations-exporter {}"
    own = f"statefulset/{'app-integrations-exporter' if service else 'c8-zeebe'}"
    where = f"{own} {WHERE[mode]}".strip()
    broker = " --broker http://c8-zeebe-gateway:9600" if service else ""
    get = "kubectl -n prod get configmap app-integrations-exporter-wiring"
    upgrade = "helm upgrade c8 camunda/camunda-platform"
    restart = f"kubectl -n prod rollout restart statefulset {BROKERS}"

    def asked(command):
        if service:
            return [exec_.format(where, command)]
        pods = [exec_.format(f"pod/c8-zeebe-{n} {WHERE[mode]}", command) for n in "012"]
        return [f"kubectl -n prod get pods {BROKERS} -o name", *pods]

    lines = [line for line in commands(notes) if not line.startswith("curl")]
    assert calls(lines, tmp_path) == [
        "helm get values c8 -n prod -o yaml",
        f'{get} -o go-template={{{{index .data "values.yaml"}}}}',
        # Values that are reused would keep a sidecar, or a command, of another mode.
        f"{upgrade} -n prod --version YOURS -f camunda.yaml -f wiring.yaml",
        restart,
        *asked("status"),
        exec_.format(where, f"check{broker}"),
        "helm test ai -n prod --logs",
        "kubectl -n prod port-forward service/c8-zeebe-gateway 8080:http",
        exec_.format(where, f"uninstall{broker}"),
        *asked("status --wait"),
        "helm upgrade ai chart -n prod --reset-then-reuse-values --set enabled=false",
        restart,
    ]


def test_switched_off():
    """Off, they say how to check that no broker keeps its log, and how to go on."""
    notes = noted({})

    lines = commands(notes)
    assert lines[:3] == commands(noted(enabled()))[:3]
    assert "--set enabled=true" in lines[3]
    assert lines[4].startswith("kubectl -n prod rollout restart")
    assert "CONFIG_NOT_FOUND" in notes


def moved(changes):
    """Return Camunda with *changes*, its brokers, and a probe of the actuator."""
    path, port = changes.get("contextPath", ""), changes.get("managementPort", 9600)
    name = changes.get("fullname", "camunda-zeebe")
    if key() == "zeebe":
        gateway = {"contextPath": path, "service": {"httpPort": port}}
        own = {"zeebeGateway": gateway, "global": {"zeebeClusterName": name}}
    else:
        service = {"managementPort": port}
        broker = {"contextPath": path, "service": service, "fullnameOverride": name}
        own = {"orchestration": broker}
    release = released(own)
    brokers = release.find("StatefulSet", name)
    probed = release.find("Deployment", f"{name}-gateway") or brokers
    (container,) = probed["spec"]["template"]["spec"]["containers"]
    return release, name, container["readinessProbe"]["httpGet"]


@pytest.mark.parametrize("changes", [{}, MOVED | {"fullname": "brokers"}])
@pytest.mark.parametrize("mode", MODES)
def test_addresses(mode, changes):
    """The official chart has all addresses in them, even if its values differ."""
    release, name, probe = moved(changes)
    service = release.find("Service", f"{name}-gateway")
    ports = {service["metadata"]["name"]: [x["port"] for x in service["spec"]["ports"]]}
    if key() != "zeebe":
        ports["127.0.0.1"] = [probe["port"]]

    on, off = noted(enabled(mode), **changes), noted({}, **changes)

    asked = re.findall(r"--broker http://([^:]+):(\d+)(\S*)", on)
    asked += re.findall(r"/services/(\S+):(\d+)/proxy(\S*)/actuator/exporters", off)
    usual = not changes and mode != "service" and key() != "zeebe"
    assert len(asked) == (1 if usual else 3)
    for host, port, path in asked:
        assert int(port) in ports[host]
        assert re.match(f"{path}/(actuator|zeebe)/", probe["path"])
    ours = {"app-integrations-exporter"} if mode == "service" else set()
    assert set(re.findall(r"statefulset/(\S+)", on + off)) == {name} | ours


@pytest.mark.parametrize(
    "version,name", [("8.7", "my-zeebe-zeebe"), ("8.8", "my-zeebe")]
)
def test_any_release(version, name):
    """They name the brokers as the official chart of each version does."""
    off = noted({}, release="my-zeebe", version=f"{version}.21")

    assert f"statefulset/{name}\n" in off
    assert f"services/{name}-gateway:9600/" in off


@pytest.mark.parametrize("changes", [{}, MOVED])
def test_example_process(changes, httpserver: HTTPServer):
    """Their example process gets past the login of the official chart, at its path."""
    login = f"Basic {b64encode(b'demo:demo').decode()}"
    if key() == "zeebe":
        login = "Bearer made-up"
    base = "/orchestration" if changes else ""
    for path in ("deployments", "process-instances"):
        httpserver.expect_request(
            f"{base}/v2/{path}",
            method="POST",
            headers={"Authorization": login},
        ).respond_with_json({})

    for line in commands(noted(enabled(), **changes)):
        if line.startswith("curl"):
            there = line.replace(":8080", f":{httpserver.port}")
            there = there.replace("$TOKEN", "made-up")
            subprocess.run(["bash", "-c", there], cwd=CHART.parents[1], check=True)

    deployment, instance = [request for request, _ in httpserver.log]
    assert b"isExecutable" in deployment.data
    assert instance.json == {"processDefinitionId": "review"}


MINOR = {"camunda": {"version": "8.8"}}


@pytest.mark.parametrize(
    "words,values,others",
    [
        ("is still empty", {}, MINOR),
        ("names no image", MINOR, MINOR | {"image": {"tag": "a"}}),
        ("names no image", MINOR, MINOR | {"mode": "sidecar"}),
        ("without TLS", enabled("service"), enabled("sidecar")),
        (
            "WARNING",
            enabled("service", persistence={"enabled": False}),
            enabled("service"),
        ),
    ],
)
def test_warnings(words, values, others):
    """They warn of a missing version or image, of plain text, and of a lost spool."""
    assert words in Rendered(values).notes
    assert words not in Rendered(others).notes
