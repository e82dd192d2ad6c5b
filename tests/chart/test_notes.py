"""After an installation the notes say what comes next, as commands that work."""

import pytest

from scripts.chart import MODES
from tests.chart.rendering import Rendered, enabled

WHERE = {
    "embedded": "statefulset/c8-zeebe -c orchestration",
    "sidecar": "statefulset/c8-zeebe -c app-integrations-exporter",
    "service": "statefulset/app-integrations-exporter",
}
BROKERS = "-l app.kubernetes.io/instance=c8,app.kubernetes.io/component=zeebe-broker"


def commands(notes):
    """Return the commands: what stands by itself and starts with one we know."""
    lines = [line.strip() for line in notes.splitlines() if line.startswith("     ")]
    assert all(line.startswith(("kubectl ", "helm ")) for line in lines)
    assert all(" -n prod" in line or "/prod/" in line for line in lines)
    return lines


@pytest.mark.parametrize("mode", MODES)
def test_switched_on(mode):
    """On, they wire, restart, check, and say how to remove it without a trace."""
    camunda = {"release": "c8", "version": "8.8.21"}
    rendered = Rendered(enabled(mode, camunda=camunda), name="ai", namespace="prod")

    exec_ = f"kubectl -n prod exec {WHERE[mode]} -- app-integrations-exporter"
    broker = " --broker http://c8-zeebe-0.c8-zeebe:9600" if mode == "service" else ""
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
    assert commands(rendered.notes) == [
        "helm get values c8 -n prod -o yaml > camunda.yaml",
        get_wiring,
        upgrade_camunda,
        restart,
        f"{exec_} status",
        f"{exec_} check{broker}",
        f"{exec_} uninstall{broker}",
        f"helm upgrade ai <this chart> {keeping} --set enabled=false",
        restart,
    ]


@pytest.mark.parametrize("mode", MODES)
def test_broker_of_any_release(mode):
    """They name the broker as the official chart does: with a part once, not twice."""
    camunda = {"release": "my-zeebe", "version": "8.8.21"}
    on = Rendered(enabled(mode, camunda=camunda)).notes
    off = Rendered({"camunda": camunda}).notes

    assert "zeebe-zeebe" not in on + off
    assert "pods/my-zeebe-0:9600/" in off
    if mode == "service":
        assert "--broker http://my-zeebe-0.my-zeebe:9600" in on
    else:
        assert "statefulset/my-zeebe -c" in on


def test_image_unknown():
    """They say so where the wiring can't name the image."""
    assert "names no image yet" in Rendered({}).notes
    assert "names no image" not in Rendered({"image": {"tag": "a"}}).notes
    assert "names no image" not in Rendered({"mode": "sidecar"}).notes


def test_nothing_kept():
    """They warn of a spool that goes with its pod."""
    values = enabled("service", persistence={"enabled": False})

    assert "WARNING" in Rendered(values).notes
    assert "WARNING" not in Rendered(enabled("service")).notes


def test_switched_off():
    """Off, they tell how to see that no broker keeps its log, and how to go on."""
    notes = Rendered({}, namespace="prod").notes

    on = Rendered(enabled(), namespace="prod").notes
    wiring = commands(on)[:3]
    assert commands(notes)[:3] == wiring
    assert "--set enabled=true" in commands(notes)[3]
    assert commands(notes)[4].startswith("kubectl -n prod rollout restart")
    assert "CONFIG_NOT_FOUND" in notes
