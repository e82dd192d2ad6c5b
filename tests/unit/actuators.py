"""An actuator for tests, which lists its exporters and changes them on request."""

import json

from devkit.backend import Answer, Stub

PATH = "/actuator/exporters"
OURS = f"{PATH}/appintspool"
CHANGES = {
    ("POST", f"{OURS}/disable"): "DISABLED",
    ("POST", f"{OURS}/enable"): "ENABLED",
    ("DELETE", OURS): None,
}
REFUSED = {"message": "Expected to do it, but\nwon't"}


def of_json(status, body):
    """Return an answer with *body*."""
    return Answer(
        status, {"Content-Type": "application/json"}, json.dumps(body).encode()
    )


class ActuatorStub(Stub):
    """Lists `exporters`; a change takes effect after so many `looks`."""

    def __init__(self, exporters, *, looks=0):
        """Begin with nothing to do."""
        super().__init__(self._act)
        self.exporters = exporters
        self.looks = looks
        self.answers = {}
        """Statuses to answer with first, by the method."""
        self.asked = []
        """The changes that were asked for."""
        self.path = ""
        """The context path that it is below."""
        self._pending = []

    def _act(self, request):
        if not request.path.startswith(f"{self.path}/actuator/"):
            return Answer(404)
        path = request.path.removeprefix(self.path)
        if request.method != "GET":
            self.asked.append(path.removeprefix(f"{OURS}/").replace(OURS, "delete"))
        if request.method == "POST" and "json" not in request.headers.get(
            "Content-Type", ""
        ):
            return Answer(415)
        if statuses := self.answers.get(request.method):
            return of_json(statuses.pop(0), REFUSED)
        if (request.method, path) == ("GET", PATH):
            return of_json(200, self._listed())
        self._pending.append([self.looks, CHANGES[request.method, path]])
        return of_json(202, {})

    def _listed(self):
        for change in self._pending[:]:
            change[0] -= 1
            if change[0] < 0:
                self._pending.remove(change)
                self.exporters["appintspool"] = change[1]
        return [
            {"exporterId": name, "status": status}
            for name, statuses in self.exporters.items()
            for status in ([statuses] if isinstance(statuses, str) else statuses or [])
        ]
