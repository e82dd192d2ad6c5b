"""The values for the release of Camunda do what they are for, in the official chart."""

import itertools
import os
import re
import subprocess

import kubernetes_validate
import pytest
import yaml

import exporter
from scripts import chart as charts
from scripts import helm
from scripts.chart import MODES
from scripts.helm import RefusedError
from tests.chart.official import VERSION, VERSIONS, key, official
from tests.chart.rendering import ENV, EXAMPLES, OWN, Rendered, enabled, example

# What the official chart of each version accepts.
CAMUNDA = {
    "connectors": {"enabled": False},
    "orchestration": {
        "clusterSize": "1",
        "data": {
            "secondaryStorage": {
                "type": "elasticsearch",
                "elasticsearch": {"url": "http://elasticsearch.example:9200"},
            }
        },
    },
}


def merged(*layers):
    """Return values as Helm puts them together: maps are merged, nothing else is."""
    together = {}
    for layer in layers:
        for name, value in layer.items():
            both = isinstance(value, dict) and isinstance(together.get(name), dict)
            together[name] = merged(together[name], value) if both else value
    return together


def wired(values, version=VERSION, own=None):
    """Return the brokers of a release with *own* values, wired for *version*."""
    camunda = values.get("camunda", {}) | {"version": f"{version}.21"}
    if version != "8.10":
        camunda.pop("physicalTenants", None)
    wiring = Rendered(values | {"camunda": camunda}).wiring
    brokers = {key(version): own or {}}
    values = merged(CAMUNDA, brokers, wiring)
    release = Rendered(values, chart=official(version), name="camunda")
    return release.find("StatefulSet", "camunda-zeebe")


def container(pod, version=VERSION):
    """Return the broker's container."""
    (found,) = [each for each in pod["containers"] if each["name"] == key(version)]
    return found


DIGEST = "sha256:%064x"
TAG = f":{{}}.21-app-integrations-{exporter.__version__}"


@pytest.fixture(
    scope="module", params=EXAMPLES, ids=lambda path: path.stem.removesuffix("-values")
)
def broker(request):
    """Return the broker's StatefulSet, wired as each of the examples says."""
    return wired(example(request.param))


@pytest.mark.parametrize("version", ["1.28", kubernetes_validate.latest_version()])
def test_valid(broker, version):
    """What the official chart makes of our values is what Kubernetes accepts."""
    kubernetes_validate.validate(broker, version, strict=True)


def test_registry_in_the_repository():
    """A registry that the image's name begins with isn't put behind another one."""
    image = {"repository": "localhost:5000/a/b", "tag": "1"}
    shared = {"image": {"registry": "registry.example"}}
    pod = wired(enabled(image=image) | {"global": shared})["spec"]["template"]["spec"]

    assert container(pod)["image"] == "localhost:5000/a/b:1"


def test_everything_optional(broker):
    """No object of ours that is missing keeps a broker from starting."""
    pod = broker["spec"]["template"]["spec"]
    containers = pod["containers"] + (pod.get("initContainers") or [])
    for each in containers:
        for source in each.get("envFrom", []):
            reference = source.get("configMapRef") or source["secretRef"]
            if reference["name"] in (ENV, OWN) or "prefix" in source:
                assert reference["optional"] is True
    for volume in pod["volumes"]:
        if volume["name"] == "app-integrations-secrets":
            sources = volume["projected"]["sources"]
            assert all(source["secret"]["optional"] for source in sources)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("half", [{"existingSecret": "a"}, {"existingSecretKey": "b"}])
def test_half_a_secret(mode, half):
    """What isn't complete while it's off breaks no broker that is wired."""
    values = enabled(mode, enabled=False, apiKey={"secret": half})

    broker = wired(values | {"ingest": {"secret": half}})

    kubernetes_validate.validate(broker, "1.34", strict=True)
    assert "/etc/app-integrations" not in str(broker)


def test_mounts_have_volumes(broker):
    """Whatever is mounted is a volume of the pod."""
    pod = broker["spec"]["template"]["spec"]
    claims = broker["spec"].get("volumeClaimTemplates", [])
    there = {each["name"] for each in pod["volumes"]}
    there |= {each["metadata"]["name"] for each in claims}

    for each in pod["containers"] + (pod.get("initContainers") or []):
        assert {mount["name"] for mount in each.get("volumeMounts", [])} <= there


@pytest.mark.parametrize("mode", MODES)
def test_broker_reads_ours(mode):
    """The broker's container reads our ConfigMap and Secret, behind what it has."""
    pod = wired(enabled(mode))["spec"]["template"]["spec"]

    sources = container(pod)["envFrom"]
    assert sources[-2:] == [
        {"configMapRef": {"name": ENV, "optional": True}},
        {"secretRef": {"name": ENV, "optional": True}},
    ]
    assert "app-integrations" not in str(sources[:-2])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_version(version, mode):
    """The brokers of each chart read our variables, and get image or sidecar."""
    secret = {"secret": {"existingSecret": "ours", "existingSecretKey": "key"}}
    values = enabled(mode, ingest=secret, extraVolumes=[{"name": "x", "emptyDir": {}}])
    broker = wired(values, version)

    kubernetes_validate.validate(broker, "1.34", strict=True)
    pod = broker["spec"]["template"]["spec"]
    sources = str(container(pod, version)["envFrom"])
    assert sources.count(f"'{ENV}'") == 2
    assert ("'prefix': 'APP_INTEGRATIONS_INGEST_'" in sources) is (mode != "embedded")
    image = container(pod, version)["image"]
    assert image.endswith(TAG.format(version)) is (mode == "embedded")
    sidecars = [each["name"] for each in pod.get("initContainers") or []]
    assert ("app-integrations-exporter" in sidecars) is (mode == "sidecar")
    names = {volume["name"] for volume in pod["volumes"]}
    assert ("x" in names) is (mode != "service")


def test_no_version():
    """Without a version nothing is wired: the values of 8.7 have another key."""
    assert Rendered({}).wiring == {}


OTHER = "8.8.21" if VERSION != "8.8" else "8.9.17"


@pytest.mark.skipif(key() == "zeebe", reason="up to 12.x no template is read there")
@pytest.mark.parametrize(
    "mode,version", [("embedded", OTHER), *((mode, "8.7.26") for mode in MODES)]
)
def test_guard(mode, version):
    """Camunda isn't upgraded where it would keep an old image, or lose the wiring."""
    wiring = Rendered(enabled(mode, camunda={"version": version})).wiring

    with pytest.raises(RefusedError) as refused:
        Rendered(merged(CAMUNDA, wiring), chart=official(), name="camunda")

    sentence = "is wired for Camunda 8.[789]: set camunda.version in its release"
    assert re.search(sentence, str(refused.value))


def test_literals_without_blanks():
    """The official chart folds long lines at blanks, which would end a literal."""
    for mode, version in itertools.product(MODES, ["8.7.26", "8.8.21"]):
        wiring = Rendered(enabled(mode, camunda={"version": version})).wiring
        for values in wiring.values():
            for text in values.get("podAnnotations", {}).values():
                assert not any(" " in each for each in re.findall('"(.*?)"', text))


@pytest.mark.parametrize("mode", MODES)
def test_pulled_as_told(mode):
    """How an image is pulled, and with which Secrets, is told to whatever pulls it."""
    image = {"pullPolicy": "Never", "pullSecrets": [{"name": "ours"}]}
    values = enabled(mode, image=image)
    pod = wired(values)["spec"]["template"]["spec"]
    puller = container(pod)
    if mode == "sidecar":
        (puller,) = pod["initContainers"]
    if mode == "service":
        assert "ours" not in str(pod["imagePullSecrets"])
        pod = Rendered(values).find("StatefulSet")["spec"]["template"]["spec"]
        (puller,) = pod["containers"]

    assert puller["imagePullPolicy"] == "Never"
    assert pod["imagePullSecrets"] == [{"name": "ours"}]


def test_policy_of_camunda():
    """Nothing is said of how Camunda's images are pulled while nobody asks for it."""
    assert set(Rendered(enabled()).wiring) == {"orchestration"}


@pytest.mark.parametrize("mode", ["sidecar", "service"])
def test_operators_variables(mode):
    """The list of variables that the operator has stays as it is."""
    own = {"env": [{"name": "MINE", "value": "a"}]}
    secret = {"secret": {"existingSecret": "ours", "existingSecretKey": "key"}}

    pod = wired(enabled(mode, ingest=secret), own=own)["spec"]["template"]["spec"]

    assert {"name": "MINE", "value": "a"} in container(pod)["env"]


def test_wiring_without_a_cluster():
    """The command of docs/install/helm.md makes the file that Camunda is given."""
    page = (charts.CHART.parents[1] / "docs/install/helm.md").read_text("utf-8")
    (script,) = re.findall(r"sed '(.+?)'", page)
    text = helm.render(charts.CHART, enabled())["wiring.yaml"]

    values = subprocess.check_output(["sed", script], input=text, text=True)

    assert yaml.safe_load(values) == Rendered(enabled()).wiring


@pytest.mark.parametrize("mode", ["sidecar", "service"])
@pytest.mark.parametrize("adapt", ["force", "disabled"])
def test_openshift(mode, adapt):
    """User and groups are left to a cluster that chooses them, told as Camunda is."""
    compatibility = {"openshift": {"adaptSecurityContext": adapt}}
    values = enabled(mode, **{"global": {"compatibility": compatibility}})

    text = yaml.safe_dump(Rendered(values).objects)

    assert bool(re.search("runAsUser|fsGroup:", text)) is (adapt == "disabled")
    assert "runAsNonRoot: true" in text


@pytest.mark.parametrize("mode", ["sidecar", "service"])
def test_another_user(mode):
    """Null leaves user and group to a cluster that chooses them, as OpenShift does."""
    contexts = {"containerSecurityContext": {"runAsUser": None}}
    contexts["podSecurityContext"] = {"fsGroup": None}
    rendered = Rendered(enabled(mode, **contexts))

    assert not re.search("runAsUser|fsGroup:", yaml.safe_dump(rendered.objects))


def test_embedded():
    """The entrypoint stands in front of the official start, in the image of both."""
    values = enabled(image={"registry": "registry.example"})
    orchestration = container(wired(values)["spec"]["template"]["spec"])

    assert orchestration["command"] == [
        "app-integrations-entrypoint",
        "bash",
        "/usr/local/bin/startup.sh",
    ]
    assert orchestration["image"] == (
        f"registry.example/app-integrations-exporter:{VERSION}.21-app-integrations-0.1.0"
    )


@pytest.mark.parametrize(
    "image,name",
    [
        ({"tag": "1"}, "app-integrations-exporter:1"),
        (
            {"tag": "1", "registry": "localhost:5000/"},
            "localhost:5000/app-integrations-exporter:1",
        ),
        ({"digest": DIGEST % 1}, f"app-integrations-exporter@{DIGEST % 1}"),
    ],
)
def test_image_instead_of_another(image, name):
    """Nothing of a digest that the release of Camunda has is left."""
    broker = wired(enabled(image=image), own={"image": {"digest": DIGEST % 2}})

    assert container(broker["spec"]["template"]["spec"])["image"] == name


@pytest.mark.parametrize(
    "version,tag",
    [
        ("8.8.21", "8.8.21-app-integrations-0.1.0"),
        ("8.10.0-alpha5", "8.10.0-alpha5-app-integrations-0.1.0"),
        ("8.8", None),
    ],
)
def test_tag_of_the_distribution(version, tag):
    """The tag is that of `make image`, once the whole version of Camunda is known."""
    wiring = Rendered({"camunda": {"version": version}}).wiring["orchestration"]

    assert wiring.get("image", {}).get("tag") == tag
    # An image without the entrypoint would not start.
    assert ("command" in wiring) is (tag is not None)


@pytest.mark.parametrize(
    "base,version",
    [
        ("camunda/camunda:8.9.17", "8.9.17"),
        ("camunda/zeebe:8.6.39", "8.6.39"),
        (f"registry.example:5000/a/b:8.10.0-alpha5@{DIGEST % 1}", "8.10.0-alpha5"),
    ],
)
def test_tag_of_make_image(base, version):
    """`make image` builds under the tag that the chart asks for."""
    script = 'source <(sed -n "/^tag()/,/^}/p" docker/build.sh); tag "$0"'
    tag = subprocess.check_output(
        ["bash", "-c", script, base],
        cwd=charts.CHART.parents[1],
        env=os.environ | {"version": exporter.__version__},
        text=True,
    )

    wiring = Rendered({"camunda": {"version": version}}).wiring
    assert tag.strip() in str(wiring)


@pytest.mark.parametrize("mode", ["sidecar", "service"])
def test_stock_image(mode):
    """Beside a broker in its own container, its image and its command stay."""
    pod = wired(enabled(mode))["spec"]["template"]["spec"]
    release = Rendered(CAMUNDA, chart=official(), name="camunda")
    stock = release.find("StatefulSet", "camunda-zeebe")["spec"]["template"]["spec"]

    for name in ("image", "command"):
        assert container(pod).get(name) == container(stock).get(name)


def test_sidecar():
    """The exporter starts before the broker, stays, and has the broker's volume."""
    pod = wired(enabled("sidecar"))["spec"]["template"]["spec"]

    (sidecar,) = pod["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["args"] == ["run", "--standby"]
    assert {"name": "data", "mountPath": "/data"} in sidecar["volumeMounts"]
    spool = Rendered(enabled("sidecar")).read(OWN)["APP_INTEGRATIONS_SPOOL_DIR"]
    assert spool == "/data/app-integrations"
    # A salvage keeps its ports closed: nobody may take that for a hanging process.
    assert sidecar["livenessProbe"]["initialDelaySeconds"] == 600
    assert "startupProbe" not in sidecar
    restricted(sidecar)


def test_sidecar_stands_by():
    """It is well while it's off, at the address where it's probed."""
    env = {"APP_INTEGRATIONS_ADMIN_HOST": "::", "APP_INTEGRATIONS_ADMIN_PORT": 9999}
    values = enabled("sidecar", env=env) | {"enabled": False}

    (sidecar,) = wired(values)["spec"]["template"]["spec"]["initContainers"]

    (port,) = sidecar["ports"]
    assert port["name"] == sidecar["livenessProbe"]["httpGet"]["port"]
    told = {each["name"]: each["value"] for each in sidecar["env"]}
    assert told["APP_INTEGRATIONS_ADMIN_PORT"] == str(port["containerPort"]) == "9999"
    assert told["APP_INTEGRATIONS_ADMIN_HOST"] == "::"


def test_service_is_restricted():
    """The exporter's own pod passes the restricted profile, and asks no API."""
    pod = Rendered(enabled("service")).find("StatefulSet")["spec"]["template"]["spec"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert not any("hostPath" in volume for volume in pod.get("volumes", []))
    restricted(pod["containers"][0])


def restricted(container):
    """Hold *container* against the restricted profile, and a read-only root."""
    context = container["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["runAsNonRoot"] is True
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert context["readOnlyRootFilesystem"] is True


def test_only_brokers_reach_the_ingest():
    """Other pods get to the admin port, which tells strangers only how it fares."""
    policy = Rendered(enabled("service")).find("NetworkPolicy")["spec"]
    broker = wired(enabled("service"))["spec"]["template"]["metadata"]["labels"]

    ingest, admin = policy["ingress"]
    assert ingest["ports"] == [{"port": "ingest"}]
    (peer,) = ingest["from"]
    assert peer["podSelector"]["matchLabels"].items() <= broker.items()
    assert admin == {"ports": [{"port": "exporter-admin"}]}


def test_brokers_in_the_network_of_nodes():
    """Brokers that no NetworkPolicy recognises are let in by an address."""
    peer = {"ipBlock": {"cidr": "10.0.0.0/8"}}
    values = enabled("service", networkPolicy={"extraFrom": [peer]})

    ingest, _ = Rendered(values).find("NetworkPolicy")["spec"]["ingress"]

    assert peer in ingest["from"]
    assert len(ingest["from"]) == 2


def checksum(values):
    """Return what tells the exporter's own pod that something has changed."""
    pod = Rendered(values).find("StatefulSet")["spec"]["template"]
    return pod["metadata"]["annotations"]["checksum/settings"]


@pytest.mark.parametrize(
    "change",
    [
        {"env": {"APP_INTEGRATIONS_BATCH_SIZE": 7}},
        {"backend": {"url": "https://other.example"}},
        {"apiKey": {"secret": {"inlineSecret": "other"}}},
        {"ingest": {"secret": {"inlineSecret": "other"}}},
        {"tls": {"ca": {"secret": {"inlineSecret": "other"}}}},
    ],
)
def test_changes_restart_the_service(change):
    """The exporter's own pod starts anew when what it reads has changed."""
    before = enabled("service")

    assert checksum(before) == checksum(enabled("service"))
    assert checksum(before) != checksum(before | change)


@pytest.mark.parametrize("mode", MODES)
def test_changes_restart_the_brokers(mode):
    """The broker's pod carries what Helm finds in the objects it reads."""
    annotations = Rendered(enabled(mode)).wiring["orchestration"]["podAnnotations"]

    template = annotations["checksum/app-integrations"]
    names = [ENV, OWN] if mode == "sidecar" else [ENV]
    for name in names:
        for kind in ("ConfigMap", "Secret"):
            assert (
                f'(lookup "v1" "{kind}" .Release.Namespace "{name}").data' in template
            )
    assert template.count("lookup") == 2 * len(names)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "camunda", [{"version": "8.8.21", "lookup": False}, {"version": "8.7.26"}]
)
def test_checksum_without_lookup(mode, camunda):
    """Where Helm may not look, or reads no template, wiring again restarts brokers."""
    changes = [
        {},
        {"env": {"APP_INTEGRATIONS_BATCH_SIZE": 7}},
        {"apiKey": {"secret": {"inlineSecret": "made-up"}}},
        {"enabled": False},
    ]
    found = set()
    for change in changes:
        values = enabled(mode, camunda=camunda) | change
        brokers = [
            each for each in Rendered(values).wiring.values() if "envFrom" in each
        ]
        found |= {
            each["podAnnotations"]["checksum/app-integrations"] for each in brokers
        }

    assert not any("lookup" in each for each in found)
    assert len(found) == len(changes)


def test_time_to_stop():
    """The pod may take as long as its drain, and a little longer."""
    values = enabled("service", env={"APP_INTEGRATIONS_SHUTDOWN_TIMEOUT_MS": 45_500})
    pod = Rendered(values).find("StatefulSet")["spec"]["template"]["spec"]

    assert pod["terminationGracePeriodSeconds"] == 66
