"""Camunda in a namespace, and the exporter's release next to it."""

import json
import re

import yaml

from devkit.client import Client
from devkit.processes import LOOPBACK, Process, free_port
from devkit.stories import RECORDINGS, VERSIONS, recording
from devkit.waiting import eventually
from scripts.chart import CHART
from tests.chart.official import key, official
from tests.kube import backend
from tests.kube.cluster import HERE, PATIENCE, command

CAMUNDA, EXPORTER = "camunda", "app-integrations"
POD = "camunda-zeebe-0"
EXPORTER_POD = "app-integrations-exporter-0"
REST, MANAGEMENT = 8080, 9600

# Long enough for a loaded machine with two cores.
SECONDS = 90

# A process with one user task that every version can run.
MODEL = "fx-ext"
FILES = recording(RECORDINGS / VERSIONS[0]).deployments[MODEL]


class Installation:
    """Both releases, wired by the notes of the exporter's chart."""

    def __init__(self, namespace, mode, images, directory):
        """Install only the backend; keep files with values in *directory*."""
        self.namespace = namespace
        self.mode = mode
        self.pod = EXPORTER_POD if mode == "service" else POD
        """The pod in which the exporter runs."""
        self.backend = backend.Backend(namespace, images.standalone)
        self.backend.up()
        self.is_on = False
        self._images = images
        minor = ".".join(images.version.split(".")[:2])
        self._chart, self._key = official(minor), key(minor)
        self._directory = directory
        alone = yaml.safe_load((HERE / "alone.yaml").read_text(encoding="utf-8"))
        alone = {self._key: alone.pop("orchestration")} | alone
        stock = {self._key: {"image": image_values(images.stock)}}
        self._camunda = [self._file("alone", alone), self._file("stock", stock)]
        self._wiring = None

    def apply(self, values):
        """Install or upgrade the exporter's release with *values*, then Camunda's."""
        embedded = self.mode == "embedded"
        image = self._images.distribution if embedded else self._images.standalone
        values = {
            "mode": self.mode,
            "camunda": {"version": self._images.version},
            "image": image_values(image),
        } | values
        self.namespace.release(EXPORTER, CHART, self._file("exporter", values))
        self.is_on = values["enabled"]
        wiring = self.namespace.get("configmap", "app-integrations-exporter-wiring")
        content = yaml.safe_load(wiring["data"]["values.yaml"])
        self._wiring = self._file("wiring", content)
        self.upgrade_camunda()

    def upgrade_camunda(self):
        """Install or upgrade Camunda's release with the latest wiring."""
        self.namespace.release(CAMUNDA, self._chart, *self._camunda, self._wiring)

    def uninstall(self):
        """Remove the exporter's release."""
        self.namespace.helm("uninstall", EXPORTER)
        self.is_on = False

    def noted(self, words):
        """Return the command with *words* in the notes of the exporter's release."""
        notes = self.namespace.helm("get", "notes", EXPORTER)
        # With the option --wait it is another command.
        found = re.compile(rf"     .*{re.escape(words)}(?! --wait)")
        (line,) = {x.strip() for x in notes.splitlines() if found.match(x)}
        return re.sub(r"\b(kubectl|helm)(?= )", lambda name: command(name[1]), line)

    def ready(self):
        """Wait for the brokers after a restart."""
        name = POD.removesuffix("-0")
        timeout = f"--timeout={PATIENCE}"
        self.namespace.kubectl("rollout", "status", f"statefulset/{name}", timeout)

    def uids(self):
        """Return the uid of each pod by name; a replaced pod has a new uid."""
        pods = self.namespace.get("pods", f"--selector=app!={backend.NAME}")
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods}

    def restarts(self):
        """Return the number of container restarts in all pods."""
        path = "--output=jsonpath={.items[*].status..restartCount}"
        counts = self.namespace.kubectl("get", "pods", path)
        return sum(map(int, counts.split()))

    def is_exporting(self):
        """Return whether any exporter in the broker is enabled."""
        pod = f"/api/v1/namespaces/{self.namespace.name}/pods/{POD}:{MANAGEMENT}"
        path = f"{pod}/proxy/actuator/exporters"
        exporters = json.loads(self.namespace.kubectl("get", "--raw", path))
        return "ENABLED" in [each["status"] for each in exporters]

    def processes(self):
        """Return all command lines in the broker's container."""
        return self._shell("cat /proc/[0-9]*/cmdline 2>/dev/null || true")

    def variables(self):
        """Return the names of the variables in the broker's container."""
        environment = self._shell("cat /proc/1/environ")
        return {each.partition("=")[0] for each in environment.split("\0")}

    async def start_instance(self):
        """Start an instance with a user task, and return its key."""
        port = free_port()
        forward = [
            *(command("kubectl"), f"--namespace={self.namespace.name}"),
            *("port-forward", f"pod/{POD}", f"{port}:{REST}"),
        ]
        forwarding = Process(forward, log=self._directory / "port-forward.log")
        async with forwarding, Client(f"http://{LOOPBACK}:{port}") as client:
            forwarding.spawn()
            await eventually(client.has_leader, within=SECONDS)
            await client.deploy(FILES)
            started = await client.create_instance(MODEL)
        return str(started["processInstanceKey"])

    async def ids_of(self, instance):
        """Wait for events of *instance*, and return their ids."""

        def ids():
            arrivals = self.backend.arrivals
            return [each.identity for each in arrivals if each.instance == instance]

        return await eventually(ids, within=SECONDS)

    def _shell(self, line):
        container = (POD, f"--container={self._key}")
        return self.namespace.kubectl("exec", *container, "--", "bash", "-c", line)

    def _file(self, name, values):
        file = self._directory / f"{name}.yaml"
        file.write_text(yaml.safe_dump(values), encoding="utf-8")
        return file


def image_values(name):
    """Return the chart values for the image *name*."""
    repository, _, tag = name.rpartition(":")
    return {"repository": repository, "tag": tag}
