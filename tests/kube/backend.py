"""The backend, as a pod: it prints what it's told, and the log of the pod remembers."""

import json

from exporter.demo.backend import Arrival

NAME = "backend"
PORT = 8080
URL = f"http://{NAME}:{PORT}/events"


class Backend:
    """A stub that accepts every event."""

    def __init__(self, namespace, image):
        """Be in *namespace*, from `up` on, as a container of *image*."""
        self._namespace = namespace
        self._image = image

    def up(self):
        """Answer, again after `down`, and with nothing to remember."""
        self._namespace.apply(_pod(self._image), SERVICE)
        self._namespace.wait(NAME, "condition=Ready")

    def down(self):
        """End, and refuse connections."""
        self._namespace.kubectl("delete", "pod", NAME)

    @property
    def arrivals(self):
        """Every event that it was told of, in the order in which they came."""
        printed = self._namespace.kubectl("logs", NAME)
        told = [json.loads(line) for line in printed.splitlines() if line[0] == "{"]
        return [Arrival(0, each["id"], each["event"]) for each in told]


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": NAME},
    "spec": {"selector": {"app": NAME}, "ports": [{"port": PORT}]},
}


def _pod(image):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": NAME, "labels": {"app": NAME}},
        "spec": {
            "containers": [
                {
                    "name": NAME,
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "args": ["stub-backend", "--host=0.0.0.0", f"--port={PORT}"],
                    "readinessProbe": {
                        "httpGet": {"path": "/", "port": PORT},
                        "periodSeconds": 1,
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                        "runAsNonRoot": True,
                        "runAsUser": 1001,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                }
            ],
            "terminationGracePeriodSeconds": 1,
        },
    }
