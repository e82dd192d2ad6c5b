"""A test of the release, and the objects and annotations that users may add."""

import kubernetes_validate
import pytest

from exporter import cli
from exporter.commands import check
from scripts.chart import MODES
from tests.chart.rendering import BACKEND, ENV, OWN, Rendered, enabled
from tests.chart.test_wiring import restricted

TEST = "app-integrations-exporter-check"
SECRET = {"secret": {"existingSecret": "own", "existingSecretKey": "key"}}


@pytest.mark.parametrize("mode", MODES)
def test_check(mode):
    """`helm test` runs `check` with the image, settings and secrets of the exporter."""
    image = {"tag": "1", "pullSecrets": [{"name": "a"}]}
    values = enabled(mode, apiKey=SECRET, image=image)
    values["extraEnv"] = [{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}]
    rendered = Rendered(values)
    pod = rendered.find("Pod", TEST)

    (container,) = pod["spec"]["containers"]
    annotations = pod["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "test"
    assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation"
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["imagePullSecrets"] == [{"name": "a"}]
    assert container["image"] == "app-integrations-exporter:1"
    assert container["command"] == ["app-integrations-exporter"]
    args = cli.parser().parse_args(container["args"])
    assert args.call is check.check
    assert args.broker == "http://camunda-zeebe-gateway:9600"
    sources = container["envFrom"]
    assert sources[0]["configMapRef"]["name"] == (ENV if mode == "embedded" else OWN)
    assert rendered.read(ENV if mode == "embedded" else OWN)["APP_INTEGRATIONS_URL"]
    assert values["extraEnv"][0] in container["env"]
    mounts = {each["mountPath"] for each in container["volumeMounts"]}
    assert "/etc/app-integrations" in mounts
    variables = {each["name"]: each.get("value", "") for each in container["env"]}
    assert variables["APP_INTEGRATIONS_SPOOL_DIR"].rpartition("/")[0] in mounts
    restricted(container)
    kubernetes_validate.validate(pod, "1.34", strict=True)


def test_check_of_moved_management():
    """`check` asks the broker at the context path and port of Camunda's release."""
    camunda = {"version": "8.9.17", "contextPath": "a/", "managementPort": 9700}
    pod = Rendered(enabled(camunda=camunda)).find("Pod", TEST)

    (container,) = pod["spec"]["containers"]
    assert container["args"][-1] == "http://camunda-zeebe-gateway:9700/a"


@pytest.mark.parametrize("mode", MODES)
def test_check_is_no_exporter(mode):
    """No Service, policy or monitor takes the pod of the test for an exporter."""
    monitors = {"podMonitor": {"enabled": True}}
    rendered = Rendered(enabled(mode, **monitors))

    labels = rendered.find("Pod", TEST)["metadata"]["labels"].items()
    for each in rendered.objects:
        spec = each.get("spec", {})
        selector = spec.get("selector") or spec.get("podSelector") or {"none": "none"}
        selector = selector.get("matchLabels", selector)
        assert not selector.items() <= labels, each["kind"]


@pytest.mark.parametrize(
    "account,named,made",
    [
        ({}, None, False),
        ({"name": "own"}, "own", False),
        ({"create": True}, "app-integrations-exporter", True),
        ({"create": True, "name": "own", "annotations": {"a": "b"}}, "own", True),
    ],
)
def test_service_account(account, named, made):
    """The pod's service account is the namespace's, one that is there, or a new one."""
    rendered = Rendered(enabled("service", serviceAccount=account))

    pod = rendered.find("StatefulSet")["spec"]["template"]["spec"]
    assert pod.get("serviceAccountName") == named
    found = rendered.find("ServiceAccount")
    assert bool(found) is made
    if found:
        assert found["metadata"]["name"] == named
        assert found["metadata"].get("annotations") == account.get("annotations")
        assert found["automountServiceAccountToken"] is False


def test_annotations():
    """Claim and Service take annotations of their own, which win over those for all."""
    own = {"annotations": {"a": "own"}}
    common = {"commonAnnotations": {"a": "common", "b": "common"}}
    rendered = Rendered(enabled("service", persistence=own, service=own, **common))

    (claim,) = rendered.find("StatefulSet")["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["annotations"] == {"a": "own"}
    service = rendered.find("Service")["metadata"]["annotations"]
    assert service == {"a": "own", "b": "common"}


def test_extra_objects():
    """Objects of the user's own are rendered, as objects or texts, with templates."""
    about = {"apiVersion": "v1", "kind": "ConfigMap"}
    first = about | {"metadata": {"name": "{{ .Release.Name }}-first"}}
    second = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: second}\n"
        "data: {url: {{ .Values.backend.url }}}\n"
    )
    values = {"extraObjects": [first, second]}
    rendered = Rendered(enabled(**values))

    assert rendered.find("ConfigMap", "app-integrations-first")
    assert rendered.find("ConfigMap", "second")["data"] == BACKEND
    assert not Rendered(values).find("ConfigMap", "second")
