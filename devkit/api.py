"""The REST API (version 2) of the recorded engine, limited to recorded commands."""

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web

from devkit.arguments import version_of
from devkit.commands import Commands
from devkit.engine import Engine, RefusedError
from devkit.stories import Record

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MOST_BYTES = 64 * 1024 * 1024

# Commands with a key in their path, and the fields that they require.
COMMANDS = {
    "POST process-instances/{key:[0-9]{1,19}}/cancellation": ("cancel",),
    "POST process-instances/{key:[0-9]{1,19}}/migration": ("migrate",),
    "PUT element-instances/{key:[0-9]{1,19}}/variables": ("set variables",),
    "POST user-tasks/{key:[0-9]{1,19}}/assignment": ("assign", "assignee"),
    "DELETE user-tasks/{key:[0-9]{1,19}}/assignee": ("unassign",),
    "PATCH user-tasks/{key:[0-9]{1,19}}": ("update", "changeset"),
    "POST user-tasks/{key:[0-9]{1,19}}/completion": ("complete",),
    "POST jobs/{key:[0-9]{1,19}}/completion": ("complete job",),
    "POST jobs/{key:[0-9]{1,19}}/failure": ("fail job",),
    "POST jobs/{key:[0-9]{1,19}}/error": ("throw error", "errorCode"),
    "PATCH jobs/{key:[0-9]{1,19}}": ("update job", "changeset"),
    "POST incidents/{key:[0-9]{1,19}}/resolution": ("resolve",),
}
# Names of a user task's fields: in the API, and in records.
CHANGES = {
    "candidateGroups": "candidateGroupsList",
    "candidateUsers": "candidateUsersList",
    "dueDate": "dueDate",
    "followUpDate": "followUpDate",
    "priority": "priority",
}
DEPLOYED = {
    "PROCESS": ("processDefinition", "bpmnProcessId"),
    "FORM": ("form", "formId"),
    "DECISION": ("decisionDefinition", "decisionId"),
    "DECISION_REQUIREMENTS": ("decisionRequirements", "decisionRequirementsId"),
}


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a refused command with a problem document, as the engine does."""
    try:
        return await handler(request)
    except RefusedError as error:
        problem = {"title": "REFUSED", "status": error.status, "detail": str(error)}
        return web.json_response(problem, status=error.status)


class Api:
    """The commands of one engine, over HTTP."""

    def __init__(self, engine: Engine) -> None:
        self._commands = Commands(engine)
        self._numbers = version_of(engine.version) < (8, 8)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes below `/v2`."""
        routes: dict[str, Handler] = {
            "POST deployments": self._deploy,
            "POST process-instances": self._create,
            "POST jobs/activation": self._activate,
            "POST messages/publication": partial(self._publish, "message", "name"),
            "POST signals/broadcast": partial(self._publish, "signal", "signalName"),
        }
        routes |= {x: partial(self._command, *COMMANDS[x]) for x in COMMANDS}
        return [
            web.route(route.split()[0], f"/v2/{route.split()[1]}", handler)
            for route, handler in routes.items()
        ]

    async def _command(self, verb: str, *names: Any) -> web.Response:
        *required, request = names
        body = await _content(request, *required)
        changes = body.get("changeset", {})
        if verb == "assign":
            # Without permission to override, an assignment is a claim.
            verb = "claim" if body.get("allowOverride") is False else verb
            changes = {"assignee": body["assignee"]}
        elif verb == "unassign":
            changes = {"assignee": ""}
        elif verb == "update":
            if changes.keys() - CHANGES:
                raise RefusedError(400, f"A user task only has {', '.join(CHANGES)}")
            changes = {CHANGES[name]: each for name, each in changes.items()}
        elif verb == "update job":
            verb = "set retries" if "retries" in changes else "set timeout"
        if "user-tasks" in request.path:
            body = {"action": verb} | body | {"changes": changes}
        self._commands.command(verb, int(request.match_info["key"]), body)
        return web.Response(status=204)

    async def _deploy(self, request: web.Request) -> web.Response:
        form = (await request.post()).values()
        fields = [each for each in form if isinstance(each, web.FileField)]
        records = self._commands.deploy({x.filename: x.file.read() for x in fields})
        deployed = [self._deployed(x) for x in records if x["valueType"] in DEPLOYED]
        key = self._key(records[-1]["key"])
        return web.json_response({"deploymentKey": key, "deployments": deployed})

    def _deployed(self, record: Record) -> dict[str, Any]:
        name, of_record = DEPLOYED[record["valueType"]]
        value = record["value"]
        return {
            name: {
                f"{name}Id": value[of_record],
                f"{name}Key": self._key(record["key"]),
                f"{name}Version": value.get("version", 1),
                "resourceName": value.get("resourceName", "").rpartition("/")[2],
                "tenantId": value["tenantId"],
            }
        }

    async def _create(self, request: web.Request) -> web.Response:
        body = await _content(request, "processDefinitionId")
        model = body["processDefinitionId"]
        key = self._key(self._commands.create(model, body).key)
        answer = {"processInstanceKey": key, "processDefinitionId": model}
        return web.json_response(answer)

    async def _activate(self, request: web.Request) -> web.Response:
        names = "type", "maxJobsToActivate", "timeout"
        body = await _content(request, *names)
        jobs = self._commands.activate(*(body[name] for name in names))
        return web.json_response({"jobs": [*map(self._job, jobs)]})

    def _job(self, record: Record) -> dict[str, Any]:
        value = record["value"]
        keys = ("processInstanceKey", "processDefinitionKey", "elementInstanceKey")
        names = ("type", "elementId", "retries", "customHeaders", "tenantId")
        return {
            "jobKey": self._key(record["key"]),
            **{name: self._key(value[name]) for name in keys},
            **{name: value[name] for name in names},
        }

    async def _publish(
        self, verb: str, name: str, request: web.Request
    ) -> web.Response:
        body = await _content(request, name)
        self._commands.publish(verb, body[name], body)
        return web.json_response({})

    def _key(self, key: int) -> int | str:
        """Return *key* as a number up to 8.7, and as a string from 8.8 on."""
        return key if self._numbers else str(key)


async def _content(request: web.Request, *required: str) -> dict[str, Any]:
    """Return the fields of the body that aren't null; all *required* ones are set."""
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError as error:
        raise RefusedError(400, f"The body isn't JSON: {error}") from error
    if not isinstance(body, dict):
        raise RefusedError(400, "The body isn't an object")
    given = {name: each for name, each in body.items() if each is not None}
    if missing := set(required) - given.keys():
        raise RefusedError(400, f"{', '.join(sorted(missing))} is missing")
    return given
