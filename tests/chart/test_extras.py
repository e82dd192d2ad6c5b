"""A test of the release, and objects that users may add."""

import pytest

from exporter import cli
from exporter.commands import check
from scripts.chart import MODES
from tests.chart.rendering import BACKEND, Rendered, enabled, own, restricted, valid

TEST = "app-integrations-exporter-check"
SECRET = {"secret": {"existingSecret": "own", "existingSecretKey": "key"}}
PROXY = {"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}


@pytest.mark.parametrize("mode", MODES)
def test_check(mode):
    """`helm test` runs `check` with the image, settings and secrets of the exporter."""
    image = {"tag": "1", "pullSecrets": [{"name": "a"}]}
    rendered = Rendered(enabled(mode, apiKey=SECRET, image=image, extraEnv=[PROXY]))
    pod = rendered.find("Pod", TEST)

    valid(pod)
    (container,) = pod["spec"]["containers"]
    restricted(container)
    assert (
        pod["metadata"]["annotations"].items()
        >= {
            "helm.sh/hook": "test",
            "helm.sh/hook-delete-policy": "before-hook-creation",
        }.items()
    )
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["imagePullSecrets"] == [{"name": "a"}]
    assert container["image"] == "app-integrations-exporter:1"
    assert container["command"] == ["app-integrations-exporter"]
    args = cli.parser().parse_args(container["args"])
    assert args.call is check.check
    assert args.broker == "http://camunda-zeebe-gateway:9600"
    settings, secrets = (next(iter(each.values())) for each in container["envFrom"])
    assert settings["name"] == own(mode)
    assert secrets == {"name": own(mode), "optional": True}  # there may be no secret
    assert PROXY in container["env"]
    mounts = {each["mountPath"] for each in container["volumeMounts"]}
    assert "/etc/app-integrations" in mounts
    variables = {each["name"]: each.get("value", "") for each in container["env"]}
    assert variables["APP_INTEGRATIONS_SPOOL_DIR"].rpartition("/")[0] in mounts
    # No Service, policy or monitor takes this pod for an exporter.
    labels = pod["metadata"]["labels"].items()
    for each in rendered.objects:
        spec = each.get("spec", {})
        selector = spec.get("selector") or spec.get("podSelector") or {"none": "none"}
        selector = selector.get("matchLabels", selector)
        assert not selector.items() <= labels, each["kind"]


def test_check_of_moved_management():
    """`check` asks the broker at the context path and port of Camunda's release."""
    camunda = {"version": "8.9.17", "contextPath": "a/", "managementPort": 9700}
    pod = Rendered(enabled(camunda=camunda)).find("Pod", TEST)

    (container,) = pod["spec"]["containers"]
    assert container["args"][-1] == "http://camunda-zeebe-gateway:9700/a"


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
    """The pod's service account is the namespace's, an existing one, or a new one."""
    rendered = Rendered(enabled("service", serviceAccount=account))

    assert rendered.pod["spec"].get("serviceAccountName") == named
    found = rendered.find("ServiceAccount")
    assert bool(found) is made
    if found:
        assert found["metadata"]["name"] == named
        assert found["metadata"].get("annotations") == account.get("annotations")
        assert found["automountServiceAccountToken"] is False


def test_extra_objects():
    """The user's own objects are rendered, as objects or texts, with templates."""
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
