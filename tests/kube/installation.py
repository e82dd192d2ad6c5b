"""Camunda in a namespace, and the exporter's release beside it."""

import re
from contextlib import asynccontextmanager

import aiohttp
import yaml

from exporter.demo.child import until
from exporter.demo.engine import Engine
from exporter.demo.errors import EngineError
from scripts.chart import CHART
from tests.containers.brokers import PROCESSES
from tests.integration.office import Office
from tests.kube import backend
from tests.kube.cluster import command

CAMUNDA, EXPORTER = "camunda", "app-integrations"
POD, CONTAINER = "camunda-zeebe-0", "orchestration"
OWN_POD = "app-integrations-exporter-0"
REST, MANAGEMENT = 8080, 9600

# The official chart, or the stub of it, with one broker that starts fast and needs no
# database. The last is what the restricted profile asks for, and the chart doesn't do.
ALONE = {
    "global": {"image": {"pullPolicy": "IfNotPresent"}, "noSecondaryStorage": True},
    "connectors": {"enabled": False},
    "orchestration": {
        "clusterSize": "1",
        "partitionCount": "1",
        "replicationFactor": "1",
        "pvcSize": "1Gi",
        "javaOpts": "-Xmx512m -XX:TieredStopAtLevel=1",
        "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": None},
        "readinessProbe": {
            "initialDelaySeconds": 1,
            "periodSeconds": 1,
            "failureThreshold": 240,
        },
        "security": {
            "authentication": {"unprotectedApi": True},
            "authorizations": {"enabled": False},
        },
        "containerSecurityContext": {"capabilities": {"drop": ["ALL"]}},
    },
}


class Installation:
    """Both releases; what is told to one reaches the other as the notes say."""

    def __init__(self, namespace, mode, images, chart, directory):
        """Install nothing yet; files are written to *directory*."""
        self.namespace = namespace
        self.mode = mode
        self.backend = backend.Backend(namespace, images.standalone)
        self.backend.up()
        self._images = images
        self._chart = chart
        self._directory = directory
        stock = {"orchestration": {"image": image_values(images.stock)}}
        self._camunda = [self._file("alone", ALONE), self._file("stock", stock)]
        self._wiring = None
        self.is_on = False

    def apply(self, values):
        """Give *values* to the exporter's release, then upgrade Camunda."""
        self.configure(values)
        self.upgrade_camunda()

    def configure(self, values):
        """Give *values* to the exporter's release, with the mode and the image."""
        embedded = self.mode == "embedded"
        image = self._images.distribution if embedded else self._images.standalone
        values = {
            "mode": self.mode,
            "camunda": {"version": self._images.version},
            "image": image_values(image),
        } | values
        self.namespace.release(EXPORTER, CHART, self._file("exporter", values))
        self.is_on = values["enabled"]
        kept = self.namespace.get("configmap", "app-integrations-exporter-wiring")
        self._wiring = self._file("wiring", yaml.safe_load(kept["data"]["values.yaml"]))

    def upgrade_camunda(self):
        """Upgrade the release of Camunda with the wiring that was last said."""
        self.namespace.release(CAMUNDA, self._chart, *self._camunda, self._wiring)

    def uninstall(self):
        """Remove the exporter's release."""
        self.namespace.helm("uninstall", EXPORTER)
        self.is_on = False

    def noted(self, words):
        """Return the command in the notes of the exporter's release with *words*."""
        notes = self.namespace.helm("get", "notes", EXPORTER)
        (line,) = {
            line.strip()
            for line in notes.splitlines()
            if words in line and line.startswith("     ")
        }
        return re.sub(r"^kubectl", command("kubectl"), line)

    def uids(self):
        """Return what tells a pod from the one that comes in its place."""
        return {name: pod["metadata"]["uid"] for name, pod in self._pods().items()}

    def restarts(self):
        """Return how often a container had to be started again."""
        statuses = [pod["status"] for pod in self._pods().values()]
        return sum(
            each["restartCount"]
            for status in statuses
            for kind in ("initContainerStatuses", "containerStatuses")
            for each in status.get(kind, [])
        )

    def is_ready(self, name, *, other_than=None):
        """Return whether a pod of this *name* is ready, and isn't that other one."""
        pod = self._pods().get(name)
        if pod is None or pod["metadata"]["uid"] == other_than:
            return False
        conditions = pod["status"].get("conditions", [])
        return {"Ready": "True"} in [
            {each["type"]: each["status"]} for each in conditions
        ]

    def _pods(self):
        pods = self.namespace.get("pods", f"--selector=app!={backend.NAME}")
        return {pod["metadata"]["name"]: pod for pod in pods}

    def exporters(self):
        """Return the exporters that the broker knows, by id."""
        known = self.namespace.ask(POD, MANAGEMENT, "actuator/exporters")
        return {each["exporterId"]: each["status"] for each in known}

    def processes(self):
        """Return the command line of every process in the broker's container, by id."""
        printed = self.execute("bash", "-c", PROCESSES)
        return dict(line.partition(" ")[::2] for line in printed.splitlines())

    def variables(self):
        """Return the environment of the broker itself."""
        lines = self.processes().items()
        (pid,) = [
            pid for pid, line in lines if "camunda.application.Standalone" in line
        ]
        told = self.execute("cat", f"/proc/{pid}/environ")
        return dict(each.split("=", 1) for each in told.split("\0") if "=" in each)

    def execute(self, *arguments):
        """Return what a command in the broker's container prints."""
        place = (POD, f"--container={CONTAINER}")
        return self.namespace.kubectl("exec", *place, "--", *arguments)

    @asynccontextmanager
    async def office(self):
        """Yield people who tell the broker what to do, once a partition is led."""
        with self.namespace.forwarded(POD, REST) as url:
            async with Engine(url) as engine:
                await until(lambda: leads(engine))
                yield Office(engine, self.backend)

    def _file(self, name, values):
        file = self._directory / f"{name}.yaml"
        file.write_text(yaml.safe_dump(values), encoding="utf-8")
        return file


async def leads(engine):
    """Return whether a partition has a healthy leader."""
    try:
        topology = await engine.topology()
        (partition,) = topology["brokers"][0]["partitions"]
    except (aiohttp.ClientError, EngineError, LookupError, ValueError):
        return False
    return (partition["role"], partition["health"]) == ("leader", "healthy")


def image_values(name):
    """Return the image *name* as charts are told of it."""
    repository, _, tag = name.rpartition(":")
    return {"repository": repository, "tag": tag}
