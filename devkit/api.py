"""The REST API (version 2) of the recorded engine, as far as recordings go."""

import json
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web

from devkit.arguments import version_of
from devkit.commands import Commands
from devkit.engine import Engine, RefusedError
from devkit.playing import Body
from devkit.stories import Part, Record

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MOST_BYTES = 64 * 1024 * 1024

# What the API calls the fields of a user task, and the records.
CHANGES = {
    "candidateGroups": "candidateGroupsList",
    "candidateUsers": "candidateUsersList",
    "dueDate": "dueDate",
    "followUpDate": "followUpDate",
    "priority": "priority",
}
# The fields of all bodies, where only some types have a meaning.
FIELDS = {
    **dict.fromkeys(("variables", "changeset", "filter"), dict),
    **dict.fromkeys(("maxJobsToActivate", "timeout", "retries", "priority"), int),
    **dict.fromkeys(("tags", "candidateGroups", "candidateUsers"), list),
    **dict.fromkeys(("processDefinitionId", "tenantId", "businessId", "action"), str),
    **dict.fromkeys(("assignee", "type", "name", "signalName", "errorCode"), str),
    **dict.fromkeys(("correlationKey", "dueDate", "followUpDate"), str),
    "allowOverride": bool,
}
LONGEST_KEY = 19
DEPLOYED = {
    "PROCESS": ("processDefinition", "bpmnProcessId", "processDefinitionId"),
    "FORM": ("form", "formId", "formId"),
    "DECISION": ("decisionDefinition", "decisionId", "decisionDefinitionId"),
    "DECISION_REQUIREMENTS": (
        "decisionRequirements",
        "decisionRequirementsId",
        "decisionRequirementsId",
    ),
}


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what can't be done as the engine does: a problem, with its reason."""
    try:
        return await handler(request)
    except (RefusedError, OSError) as error:
        # The journal can't be written, so nothing has happened.
        status = error.status if isinstance(error, RefusedError) else 503
        problem = {"title": "REFUSED", "status": status, "detail": str(error)}
        return web.json_response(problem, status=status)


class Api:
    """The commands of one engine, over HTTP."""

    def __init__(self, engine: Engine) -> None:
        """Give every command to *engine*."""
        self._commands = Commands(engine)
        self._numbers = version_of(engine.version) < (8, 8)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes below `/v2`."""
        routes: dict[str, Handler] = {
            "POST deployments": self._deploy,
            "POST process-instances": self._create,
            "POST process-instances/{key}/cancellation": partial(self._plain, "cancel"),
            "POST process-instances/{key}/migration": partial(self._plain, "migrate"),
            "PUT element-instances/{key}/variables": partial(
                self._plain, "set variables"
            ),
            "POST user-tasks/search": self._search,
            "GET user-tasks/{key}": self._user_task,
            "POST user-tasks/{key}/assignment": self._assign,
            "DELETE user-tasks/{key}/assignee": self._unassign,
            "PATCH user-tasks/{key}": self._update,
            "POST user-tasks/{key}/completion": self._complete,
            "POST jobs/activation": self._activate,
            "POST jobs/{key}/completion": partial(self._plain, "complete job"),
            "POST jobs/{key}/failure": self._fail_job,
            "POST jobs/{key}/error": self._throw_error,
            "PATCH jobs/{key}": self._update_job,
            "POST incidents/{key}/resolution": partial(self._plain, "resolve"),
            "POST messages/publication": partial(self._publish, "message", "name"),
            "POST signals/broadcast": partial(self._publish, "signal", "signalName"),
        }
        return [
            web.route(verb, f"/v2/{path}", handler)
            for (verb, path), handler in ((x.split(" "), h) for x, h in routes.items())
        ]

    def _key(self, key: int) -> int | str:
        """Spell a key as this version does."""
        return key if self._numbers else str(key)

    async def _deploy(self, request: web.Request) -> web.Response:
        try:
            form = await request.post()
        except ValueError as error:
            raise RefusedError(400, f"That isn't a form: {error}") from error
        fields = [each for each in form.values() if isinstance(each, web.FileField)]
        records = self._commands.deploy({x.filename: x.file.read() for x in fields})
        deployed = [self._deployed(each) for each in records]
        answer = {
            "deploymentKey": self._key(records[-1]["key"]),
            "deployments": [each for each in deployed if each],
        }
        return web.json_response(answer)

    def _deployed(self, record: Record) -> dict[str, Any] | None:
        if record["valueType"] not in DEPLOYED:
            return None
        name, of_record, of_api = DEPLOYED[record["valueType"]]
        value = record["value"]
        return {
            name: {
                of_api: value[of_record],
                f"{name}Key": self._key(record["key"]),
                f"{name}Version": value.get("version", 1),
                "resourceName": value.get("resourceName", "").rpartition("/")[2],
                "tenantId": value["tenantId"],
            }
        }

    async def _create(self, request: web.Request) -> web.Response:
        body = await _content(request)
        model = body.get("processDefinitionId") or self._commands.model_of(
            _key(body.get("processDefinitionKey"))
        )
        instance = self._commands.create(model, body)
        answer = {
            "processInstanceKey": self._key(instance.key),
            "processDefinitionId": model,
        }
        return web.json_response(answer)

    async def _plain(self, verb: str, request: web.Request) -> web.Response:
        return self._command(request, verb, await _content(request))

    async def _user_task(self, request: web.Request) -> web.Response:
        return web.json_response(self._task(_key(request.match_info["key"])))

    async def _search(self, request: web.Request) -> web.Response:
        asked = (await _content(request, "filter"))["filter"]
        key = _key(asked.get("userTaskKey") or asked.get("processInstanceKey"))
        _, instance, _ = self._commands.find(key)
        opened = {instance.keys[x] for x in instance.opened if x.kind == "USER_TASK"}
        items = [self._task(each) for each in sorted(opened)]
        return web.json_response({"items": items})

    def _task(self, key: int) -> dict[str, Any]:
        _, instance, _ = self._commands.find(key)
        if key not in instance.tasks:
            raise RefusedError(404, f"{key} is not a user task")
        value = instance.tasks[key]
        return {
            "userTaskKey": self._key(key),
            "processInstanceKey": self._key(value["processInstanceKey"]),
            "elementId": value["elementId"],
            "assignee": value["assignee"] or None,
            **{name: value.get(field) for name, field in CHANGES.items()},
        }

    async def _assign(self, request: web.Request) -> web.Response:
        body = await _content(request, "assignee")
        changes = {"assignee": body["assignee"]}
        # Without permission to override, an assignment is a claim.
        claims = body.get("allowOverride") is False

        def suits(part: Part) -> bool:
            value = part.event["value"]
            is_claim = "CLAIM" in part.event["intent"] or value["action"] == "claim"
            return bool(value["assignee"]) and is_claim is claims

        return self._command(request, "assign", body | {"changes": changes}, suits)

    async def _unassign(self, request: web.Request) -> web.Response:
        body = {"changes": {"assignee": ""}, "action": "unassign"}
        return self._command(
            request, "assign", body, lambda part: not part.event["value"]["assignee"]
        )

    async def _update(self, request: web.Request) -> web.Response:
        body = await _content(request, "changeset")
        given = _typed(body["changeset"])
        if given.keys() - CHANGES:
            raise RefusedError(400, f"A user task only has {', '.join(CHANGES)}")
        changes = {CHANGES[name]: each for name, each in given.items()}
        return self._command(
            request,
            "update",
            {"action": "update"} | body | {"changes": changes},
            lambda part: set(part.event["value"]["changedAttributes"]) == set(changes),
        )

    async def _complete(self, request: web.Request) -> web.Response:
        body = {"action": "complete"} | await _content(request)
        return self._command(request, "complete", body)

    async def _activate(self, request: web.Request) -> web.Response:
        body = await _content(request, "type", "maxJobsToActivate", "timeout")
        jobs = self._commands.activate(
            body["type"], body["maxJobsToActivate"], body["timeout"]
        )
        return web.json_response({"jobs": [self._job(each) for each in jobs]})

    def _job(self, record: Record) -> dict[str, Any]:
        value = record["value"]
        keys = ("processInstanceKey", "processDefinitionKey", "elementInstanceKey")
        names = ("type", "elementId", "retries", "customHeaders", "tenantId")
        return {
            "jobKey": self._key(record["key"]),
            **{name: self._key(value[name]) for name in keys},
            **{name: value[name] for name in names},
        }

    async def _fail_job(self, request: web.Request) -> web.Response:
        body = await _content(request)
        left = body.get("retries", 0) > 0
        return self._command(
            request,
            "fail job",
            body,
            lambda part: (part.event["value"]["retries"] > 0) is left,
        )

    async def _throw_error(self, request: web.Request) -> web.Response:
        body = await _content(request, "errorCode")
        return self._command(
            request,
            "throw error",
            body,
            lambda part: part.event["value"]["errorCode"] == body["errorCode"],
        )

    async def _update_job(self, request: web.Request) -> web.Response:
        changes = (await _content(request, "changeset"))["changeset"]
        verb = "set retries" if "retries" in changes else "set timeout"
        return self._command(request, verb, {})

    async def _publish(
        self, verb: str, name: str, request: web.Request
    ) -> web.Response:
        body = await _content(request, name)
        self._commands.publish(verb, body[name], body)
        return web.json_response({})

    def _command(
        self,
        request: web.Request,
        verb: str,
        body: Body,
        suits: Callable[[Part], bool] = lambda _: True,
    ) -> web.Response:
        self._commands.command(verb, _key(request.match_info["key"]), body, suits)
        return web.Response(status=204)


def _key(text: object) -> int:
    if not re.fullmatch(f"[0-9]{{1,{LONGEST_KEY}}}", str(text)):
        raise RefusedError(400, f"{str(text)[:LONGEST_KEY]!r} is not a key")
    return int(str(text))


async def _content(request: web.Request, *required: str) -> dict[str, Any]:
    """Return the body: an object whose fields, some *required*, have their types."""
    text = await request.read() or b"{}"
    try:
        body = json.loads(text)
        # What a client of the exporter couldn't write as JSON is no JSON for us.
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, f"That isn't JSON: {error}") from error
    if not isinstance(body, dict):
        raise RefusedError(400, "The body isn't an object")
    return _typed(body, *required)


def _typed(fields: dict[str, Any], *required: str) -> dict[str, Any]:
    """Return *fields* without those that are null, or refuse them."""
    given = {name: each for name, each in fields.items() if each is not None}
    for name in (*required, *given):
        kind = FIELDS.get(name, object)
        if not isinstance(given.get(name), kind):
            raise RefusedError(400, f"{name} is missing, or no {kind.__name__}")
    return given
