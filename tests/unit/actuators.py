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
    """Lists `exporters`; a change takes effect after `looks` requests."""

    def __init__(self, exporters, *, looks=0):
        """Start without pending changes."""
        super().__init__(self._act)
        self.exporters = exporters
        """Statuses by id, or by id and physical tenant."""
        self.looks = looks
        self.answers = {}
        """Statuses of the next answers, by method."""
        self.asked = []
        """The changes that were asked for."""
        self.path = ""
        """The context path."""
        self._pending = []

    def _act(self, request):
        if not request.path.startswith(f"{self.path}/actuator/"):
            return Answer(404)
        path = request.path.removeprefix(self.path)
        tenant = request.query.removeprefix("physicalTenant=")
        if request.method != "GET":
            asked = path.removeprefix(f"{OURS}/").replace(OURS, "delete")
            self.asked.append(f"{asked} {tenant}".strip())
        if request.method == "POST" and "json" not in request.headers.get(
            "Content-Type", ""
        ):
            return Answer(415)
        if statuses := self.answers.get(request.method):
            return of_json(statuses.pop(0), REFUSED)
        if (request.method, path) == ("GET", PATH):
            return of_json(200, self._listed())
        self._pending.append([self.looks, tenant, CHANGES[request.method, path]])
        return of_json(202, {})

    def _listed(self):
        for change in self._pending[:]:
            change[0] -= 1
            if change[0] < 0:
                self._pending.remove(change)
                _, tenant, status = change
                if tenant:
                    self.exporters["appintspool"][tenant] = status
                else:
                    self.exporters["appintspool"] = status
        return [
            {"exporterId": name, "status": status, **more}
            for name, statuses in self.exporters.items()
            for status, more in self._of_each_tenant(statuses)
        ]

    def _of_each_tenant(self, statuses):
        if isinstance(statuses, dict):
            pairs = [(state, {"physicalTenant": x}) for x, state in statuses.items()]
        else:
            every = [statuses] if isinstance(statuses, str) else statuses or []
            pairs = [(state, {}) for state in every]
        return [pair for pair in pairs if pair[0]]
