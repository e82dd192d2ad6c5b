"""An actuator for tests: it lists its exporters, and changes them as it is told."""

import json
from dataclasses import dataclass, field

from pytest_httpserver import HTTPServer
from werkzeug import Response

REFUSED = {"message": "Expected to do it, but\nwon't"}


@dataclass
class ActuatorStub:
    """Lists `exporters`; a change takes effect after so many `looks`."""

    server: HTTPServer
    exporters: dict = field(default_factory=lambda: {"other": "ENABLED"})
    looks: int = 0
    answers: dict = field(default_factory=dict)
    """Statuses to answer with first, by the method; then it does what it is asked."""
    asked: list = field(default_factory=list)
    """What was asked for, but for looks."""

    def __post_init__(self):
        """Begin to answer."""
        self.url = f"http://127.0.0.1:{self.server.port}"
        self._pending = []
        self.server.expect_request("/actuator/exporters").respond_with_handler(
            self._list
        )
        self.server.expect_request(
            "/actuator/exporters/appintspool"
        ).respond_with_handler(lambda request: self._change(request, "delete", None))
        self.server.expect_request(
            "/actuator/exporters/appintspool/disable"
        ).respond_with_handler(
            lambda request: self._change(request, "disable", "DISABLED")
        )

        self.server.expect_request(
            "/actuator/exporters/appintspool/enable"
        ).respond_with_handler(
            lambda request: self._change(request, "enable", "ENABLED")
        )

    def _list(self, _):
        if refused := self._refused("GET"):
            return refused
        for change in self._pending[:]:
            change["looks"] -= 1
            if change["looks"] < 0:
                self._pending.remove(change)
                self.exporters["appintspool"] = change["status"]
        listed = [
            {"exporterId": name, "status": status}
            for name, statuses in self.exporters.items()
            for status in ([statuses] if isinstance(statuses, str) else statuses or [])
        ]
        return Response(json.dumps(listed), content_type="application/json")

    def _change(self, request, verb, status):
        self.asked.append(verb)
        if verb != "delete" and not request.is_json:
            return Response(status=415)
        if refused := self._refused(request.method):
            return refused
        self._pending.append({"looks": self.looks, "status": status})
        return Response("{}", status=202)

    def _refused(self, method):
        statuses = self.answers.get(method, [])
        if not statuses:
            return None
        return Response(json.dumps(REFUSED), status=statuses.pop(0))
