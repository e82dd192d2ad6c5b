"""After an installation the notes say what comes next, as commands that work."""

import os
import re
import subprocess
from base64 import b64encode

import pytest
from pytest_httpserver import HTTPServer

from scripts.chart import CHART, MODES
from tests.chart.official import VERSION, key, official
from tests.chart.rendering import Rendered, enabled
from tests.chart.test_wiring import CAMUNDA, merged

WHERE = {
    "embedded": "statefulset/c8-zeebe -c orchestration",
    "sidecar": "statefulset/c8-zeebe -c app-integrations-exporter",
    "service": "statefulset/app-integrations-exporter",
}
BROKERS = "-l app.kubernetes.io/instance=c8,app.kubernetes.io/component=zeebe-broker"
PODS = ["camunda-zeebe-0", "camunda-zeebe-1", "camunda-zeebe-2"]

# What the official chart may be told, and what ours has to be told then.
MOVED = {"contextPath": "/orchestration/", "managementPort": 9700}

KUBECTL = """\
#!/bin/bash
echo "$*" >>"$LOG"
if [[ $* == *"get pods"* ]]; then printf 'pod/%s\\n' $PODS; fi
"""


def commands(notes):
    """Return the commands: what stands by itself and starts with one we know."""
    lines = [line.strip() for line in notes.splitlines() if line.startswith("     ")]
    for line in lines:
        assert line.startswith(("kubectl ", "helm ", "for ", "curl "))
        assert " -n prod" in line or "/prod/" in line or "127.0.0.1" in line
    return lines


def camunda(**changes):
    """Return what our chart is told of the release of Camunda."""
    return {"camunda": {"version": f"{VERSION}.21"} | changes}


@pytest.mark.parametrize("mode", MODES)
def test_switched_on(mode):
    """On, they wire, restart, check, and say how to remove it without a trace."""
    values = enabled(mode, camunda={"release": "c8", "version": "8.8.21"})
    rendered = Rendered(values, name="ai", namespace="prod")

    exec_ = f"kubectl -n prod exec {WHERE[mode]} -- app-integrations-exporter"
    status = f"{exec_} status"
    if mode != "service":
        each = re.sub(r"statefulset/\S+", '"$pod"', status)
        pods = f"kubectl -n prod get pods {BROKERS} -o name"
        status = f'for pod in $({pods}); do echo "$pod"; {each}; done'
    broker = " --broker http://c8-zeebe-gateway:9600" if mode == "service" else ""
    restart = f"kubectl -n prod rollout restart statefulset {BROKERS}"
    keeping = "-n prod --reset-then-reuse-values"
    get_wiring = (
        "kubectl -n prod get configmap app-integrations-exporter-wiring "
        "-o 'go-template={{index .data \"values.yaml\"}}' > wiring.yaml"
    )
    # Values that are reused would keep a sidecar, or a command, of another mode.
    upgrade_camunda = (
        "helm upgrade c8 camunda/camunda-platform -n prod --version YOURS "
        "-f camunda.yaml -f wiring.yaml"
    )
    curl, api = "curl --fail --user demo:demo", "http://127.0.0.1:8080/v2"
    deploy = f"{curl} --form resources=@docs/install/review.bpmn {api}/deployments"
    start = (
        f"{curl} --header 'Content-Type: application/json' --data "
        f'\'{{"processDefinitionId": "review"}}\' {api}/process-instances'
    )
    assert commands(rendered.notes) == [
        "helm get values c8 -n prod -o yaml > camunda.yaml",
        get_wiring,
        upgrade_camunda,
        restart,
        status,
        f"{exec_} check{broker}",
        "helm test ai -n prod --logs",
        "kubectl -n prod port-forward service/c8-zeebe-gateway 8080:http",
        deploy,
        start,
        f"{exec_} uninstall{broker}",
        re.sub(r"status(?=$|; done)", "status --wait", status),
        f"helm upgrade ai <this chart> {keeping} --set enabled=false",
        restart,
    ]


@pytest.mark.parametrize("mode", MODES)
def test_every_exporter(mode, tmp_path):
    """The state of every exporter is asked, and waited for: three brokers are usual."""
    notes = Rendered(enabled(mode), namespace="prod").notes
    tool, log = tmp_path / "kubectl", tmp_path / "log"
    tool.write_text(KUBECTL, encoding="utf-8")
    tool.chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PODS": " ".join(PODS)}

    for end in ("status", "status --wait"):
        log.write_text("", encoding="utf-8")
        (line,) = {each for each in commands(notes) if re.search(f"{end}(;|$)", each)}
        subprocess.run(["bash", "-euc", line], check=True, env=path | {"LOG": str(log)})

        asked = [
            each.split()[3]
            for each in log.read_text("utf-8").splitlines()
            if each.endswith(f"-- app-integrations-exporter {end}")
        ]
        own = ["statefulset/app-integrations-exporter"]
        assert asked == own if mode == "service" else [f"pod/{pod}" for pod in PODS]


def released(changes):
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
    release = Rendered(merged(CAMUNDA, own), chart=official(), name="camunda")
    brokers = release.find("StatefulSet", name)
    probed = release.find("Deployment", f"{name}-gateway") or brokers
    (container,) = probed["spec"]["template"]["spec"]["containers"]
    return release, brokers, container["readinessProbe"]["httpGet"]


@pytest.mark.parametrize("changes", [{}, MOVED | {"fullname": "brokers"}])
@pytest.mark.parametrize("mode", MODES)
def test_addresses(mode, changes):
    """What they name is there in the official chart, also where that was changed."""
    release, brokers, probe = released(changes)
    service = release.find("Service", f"{brokers['metadata']['name']}-gateway")
    ports = {service["metadata"]["name"]: [x["port"] for x in service["spec"]["ports"]]}
    if key() != "zeebe":
        ports["127.0.0.1"] = [probe["port"]]

    on = Rendered(enabled(mode) | camunda(**changes), namespace="prod").notes
    off = Rendered(camunda(**changes), namespace="prod").notes

    asked = re.findall(r"--broker http://([^:]+):(\d+)(\S*)", on)
    asked += re.findall(r"/services/(\S+):(\d+)/proxy(\S*)/actuator/exporters", off)
    usual = not changes and mode != "service" and key() != "zeebe"
    assert len(asked) == (1 if usual else 3)
    for host, port, path in asked:
        assert int(port) in ports[host]
        assert re.match(f"{path}/(actuator|zeebe)/", probe["path"])
    named = set(re.findall(r"statefulset/(\S+)", on + off))
    ours = {"app-integrations-exporter"} if mode == "service" else set()
    assert named == {brokers["metadata"]["name"]} | ours


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

    notes = Rendered(enabled() | camunda(**changes), namespace="prod").notes
    for line in commands(notes):
        if line.startswith("curl"):
            there = line.replace(":8080", f":{httpserver.port}")
            there = there.replace("$TOKEN", "made-up")
            subprocess.run(["bash", "-c", there], cwd=CHART.parents[1], check=True)

    deployment, instance = [request for request, _ in httpserver.log]
    assert b"isExecutable" in deployment.data
    assert instance.json == {"processDefinitionId": "review"}


@pytest.mark.parametrize(
    "version,named", [("8.7", "my-zeebe-zeebe"), ("8.8", "my-zeebe")]
)
@pytest.mark.parametrize("mode", MODES)
def test_broker_of_any_release(mode, version, named):
    """They name the broker as the official chart does: with a part once, not twice."""
    camunda = {"release": "my-zeebe", "version": f"{version}.21"}
    on = Rendered(enabled(mode, camunda=camunda)).notes
    off = Rendered({"camunda": camunda}).notes

    assert f"statefulset/{named}\n" in off
    assert f"services/{named}-gateway:9600/" in off
    if mode == "service":
        assert f"--broker http://{named}-gateway:9600" in on
    else:
        assert f"statefulset/{named} -c" in on


def test_image_unknown():
    """They say so where the wiring can't name the image, or nothing at all."""
    known = {"camunda": {"version": "8.8"}}

    assert "is still empty" in Rendered({}).notes
    assert "names no image yet" in Rendered(known).notes
    assert "names no image" not in Rendered(known | {"image": {"tag": "a"}}).notes
    assert "names no image" not in Rendered(known | {"mode": "sidecar"}).notes


def test_nothing_kept():
    """They warn of a spool that goes with its pod."""
    values = enabled("service", persistence={"enabled": False})

    assert "WARNING" in Rendered(values).notes
    assert "WARNING" not in Rendered(enabled("service")).notes


def test_no_tls():
    """In mode service they say that the ingest port has no TLS."""
    assert "without TLS" in Rendered(enabled("service")).notes
    assert "without TLS" not in Rendered(enabled("sidecar")).notes


def test_switched_off():
    """Off, they tell how to see that no broker keeps its log, and how to go on."""
    notes = Rendered({}, namespace="prod").notes

    on = Rendered(enabled(), namespace="prod").notes
    wiring = commands(on)[:3]
    assert commands(notes)[:3] == wiring
    assert "--set enabled=true" in commands(notes)[3]
    assert commands(notes)[4].startswith("kubectl -n prod rollout restart")
    assert "CONFIG_NOT_FOUND" in notes
