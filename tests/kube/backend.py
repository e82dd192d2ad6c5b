"""The backend as a pod that runs `stub-backend` and logs all events."""

import json

from devkit.backend import Arrival

NAME = "backend"
URL = f"http://{NAME}:8080/events"


class Backend:
    """A backend that accepts every event."""

    def __init__(self, namespace, image):
        """Prepare a pod with *image* in *namespace*; `up` starts it."""
        self._namespace = namespace
        self._image = image

    def up(self):
        """Start with an empty log, also after `down`."""
        self._namespace.apply("backend.yaml", image=self._image)
        self._namespace.wait(NAME, "condition=Ready")

    def down(self):
        """Stop, so that connections are refused."""
        self._namespace.kubectl("delete", "pod", NAME)

    @property
    def arrivals(self):
        """All events since `up`, in order of arrival, without times."""
        lines = self._namespace.kubectl("logs", NAME).splitlines()
        printed = [json.loads(line) for line in lines if line.startswith("{")]
        return [Arrival(0, each["id"], each["event"]) for each in printed]
