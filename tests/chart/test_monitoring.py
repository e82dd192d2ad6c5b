"""Prometheus finds every exporter, and the alerts fire in the right cases."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from scripts.chart import CHART, MODES
from tests.chart.official import wired
from tests.chart.rendering import Rendered, enabled

CASES = Path(__file__).with_name("alerts_test.yaml")
JOB = {"targetLabel": "job", "replacement": "app-integrations-exporter"}


def rules(release="camunda", **changes):
    """Return the PrometheusRule of a release in the namespace *release*."""
    values = enabled(prometheusRule={"enabled": True} | changes)
    return Rendered(values, namespace=release).find("PrometheusRule")


def alerts(rule):
    """Return every alert of a PrometheusRule."""
    return [each for group in rule["spec"]["groups"] for each in group["rules"]]


@pytest.mark.parametrize("address", ["10.0.0.1", "[fd00::1]"])
@pytest.mark.parametrize("mode", MODES)
def test_monitored_pods(mode, address):
    """A PodMonitor finds the exporter in each of its pods, by a port that is there."""
    env = {"APP_INTEGRATIONS_ADMIN_PORT": 9999}
    values = enabled(mode, podMonitor={"enabled": True}, env=env)
    rendered = Rendered(values)

    pod = rendered.pod if mode == "service" else wired(values)["spec"]["template"]
    monitor = rendered.find("PodMonitor")["spec"]
    labels = pod["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    (endpoint,) = monitor["podMetricsEndpoints"]
    containers = pod["spec"]["containers"] + (pod["spec"].get("initContainers") or [])
    (target,) = (
        f"{address}:{port['containerPort']}"
        for each in containers
        for port in each.get("ports", [])
        if port["name"] == endpoint["port"]
    )
    for rule in endpoint["relabelings"]:
        if rule["targetLabel"] == "__address__":
            assert rule["sourceLabels"] == ["__address__"]
            host = re.fullmatch(rule["regex"], target)[1]
            target = rule["replacement"].replace("$1", host)
    assert target + endpoint["path"] == f"{address}:9999/metrics"


def test_monitored_service():
    """A ServiceMonitor finds the Service, by a port that it has."""
    rendered = Rendered(enabled("service", serviceMonitor={"enabled": True}))

    monitor, service = rendered.find("ServiceMonitor"), rendered.find("Service")
    selector = monitor["spec"]["selector"]["matchLabels"]
    assert selector.items() <= service["metadata"]["labels"].items()
    names = {port["name"] for port in service["spec"]["ports"]}
    assert monitor["spec"]["endpoints"][0]["port"] in names


@pytest.mark.parametrize("kind", ["podMonitor", "serviceMonitor"])
def test_how_to_scrape(kind):
    """The user sets timeout, namespace, labels and more relabelings."""
    rule = {"action": "labeldrop", "regex": "pod"}
    own = {"enabled": True, "interval": "1m", "scrapeTimeout": "20s"}
    own |= {"namespace": "monitoring", "labels": {"release": "prometheus"}}
    own |= {"relabelings": [rule], "metricRelabelings": [rule]}
    rendered = Rendered(enabled("service", **{kind: own}))

    monitor = rendered.find(kind[0].upper() + kind[1:])
    spec = monitor["spec"]
    (endpoint,) = spec.get("endpoints") or spec["podMetricsEndpoints"]
    assert monitor["metadata"]["namespace"] == "monitoring"
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert spec["namespaceSelector"] == {"matchNames": ["camunda"]}
    assert (endpoint["interval"], endpoint["scrapeTimeout"]) == ("1m", "20s")
    assert endpoint["relabelings"] == [JOB, rule]
    assert endpoint["metricRelabelings"] == [rule]


def test_rules():
    """The alerts of the chart watch the release's namespace, also from another one."""
    rule = rules("prod", namespace="monitoring")

    assert rule["metadata"]["namespace"] == "monitoring"
    text = yaml.safe_dump(rule["spec"], width=1000)
    assert text.count(', namespace="prod"}') == 2
    source = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text("utf-8"))
    assert yaml.safe_load(text.replace(', namespace="prod"', "")) == source


def test_alerts(tmp_path):
    """Each alert fires in the cases of alerts_test.yaml, and only in these."""
    if not (promtool := shutil.which("promtool")):
        pytest.skip("promtool is missing: it is in Debian's package prometheus")
    rule = rules()
    (tmp_path / "complete.yaml").write_text(yaml.safe_dump(rule["spec"]), "utf-8")
    for each in alerts(rule):
        del each["annotations"]  # promtool would compare their words
    (tmp_path / "alerts.yaml").write_text(yaml.safe_dump(rule["spec"]), "utf-8")
    shutil.copy(CASES, tmp_path)

    for what, file in ("check", "complete.yaml"), ("test", CASES.name):
        done = subprocess.run(
            [promtool, what, "rules", file],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested():
    """Each alert has a case in which it fires, and one in which it doesn't."""
    names = {each["alert"] for each in alerts(rules())}

    cases = yaml.safe_load(CASES.read_text("utf-8"))["tests"]
    expected = [case for each in cases for case in each["alert_rule_test"]]
    for fires in (True, False):
        tested = {x["alertname"] for x in expected if bool(x["exp_alerts"]) is fires}
        assert tested == names
