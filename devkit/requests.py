"""
The requests of a broker's search exporters, byte for byte, version by version.

Pure: arguments and records in, bytes out. What was recorded is sent as it was recorded,
with the user agents of the recording. What wasn't: the sizes of chunks; where a header
with credentials stands; the policies before 8.9 (sent as in 8.9); index templates other
than the 31 of 8.6.0, which are sent for each value type that has one; and which typed
client a version has (here: 8.19 for 8.9, 9.2 for 8.10).
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from devkit.arguments import Arguments, Record
from devkit.connection import Answer

WIRE = Path(__file__).parent / "recordings" / "wire"
CHUNK = 8192
PARTITION_BITS = 51

JSON, NDJSON = "application/json; charset=UTF-8", "application/x-ndjson"
TYPED_JSON = "application/vnd.elasticsearch+json;compatible-with=9"
LENGTH, CHUNKED = "Content-Length", "Transfer-Encoding"
META, KIND, AGENT = "X-Elastic-Client-Meta", "Content-Type", "User-Agent"
ORDER = (META, CHUNKED, LENGTH, KIND, "Host", "Connection", AGENT)
TYPED_ORDER = (META, AGENT, "Accept", KIND, CHUNKED, "Host", "Connection")
TYPED_OPENSEARCH_ORDER = (AGENT, "Accept", "Host", LENGTH, KIND, "Connection")

# What JSON of the recordings has as \uD83D\uDE80: up to 8.7 all beyond 16 bits.
ESCAPED, ESCAPED_8_8 = map(re.compile, ("[^\0-\ud7ff\ue000-\uffff]", "[\ud800-\udfff]"))


class Request(NamedTuple):
    """One request."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def encoded(self) -> bytes:
        """Return the bytes on the wire."""
        lines = [f"{self.method} {self.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        body = self.body
        if (CHUNKED, "chunked") in self.headers:
            parts = (body[i : i + CHUNK] for i in range(0, len(body), CHUNK))
            body = b"".join(b"%x\r\n%b\r\n" % (len(x), x) for x in parts)
            body += b"0\r\n\r\n"
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Client:
    """The HTTP client of one exporter."""

    def __init__(self, arguments: Arguments) -> None:
        """Make the requests of an exporter with these *arguments*."""
        version, opensearch = arguments.version, arguments.opensearch
        self._arguments = arguments
        self.typed = version >= ((8, 10) if opensearch else (8, 9))
        self._elastic = self.typed and not opensearch
        self._escaped = ESCAPED if version < (8, 8) else ESCAPED_8_8
        host, port, _ = arguments.address or ("", 0, False)
        self._order: tuple[str, ...] = ORDER
        self._fixed = {"Host": f"{host}:{port}", "Connection": "Keep-Alive"}
        if self._elastic:
            client = "9.2.5" if version >= (8, 10) else "8.19.11"
            end = ",sde=" if version >= (8, 10) else ""
            accept = TYPED_JSON.replace(";", "; ").replace("9", client[0])
            self._order = TYPED_ORDER
            self._fixed[META] = f"es={client},jv=25,t={client},hl=2,hc=4.1.5{end}"
            self._fixed |= {AGENT: f"elastic-java/{client} (Java/25.0.3)"}
            self._fixed |= {"Accept": accept, KIND: TYPED_JSON}
        elif not opensearch:
            client = "8.13.4" if version >= (8, 6) else "8.9.2"
            about = "hc=4.1.5,kt=1.9,sc=2.13"
            self._fixed[META] = f"es={client},jv=21,t={client},{about}"
            self._fixed[AGENT] = f"elasticsearch-java/{client} (Java/21.0.8)"
        elif self.typed:
            self._order = TYPED_OPENSEARCH_ORDER
            self._fixed |= {AGENT: "opensearch-java/3.4.0 (Java/25.0.3)"}
            self._fixed |= {"Accept": JSON, "Connection": "keep-alive"}
        else:
            self._fixed[AGENT] = "Apache-HttpAsyncClient/4.1.5 (Java/21.0.8)"

    def policy(self, method: str = "GET") -> Request:
        """Return OpenSearch's first request; if it fails, there is no policy."""
        name = self._arguments.retention_policyname
        return self._request(method, f"/_plugins/_ism/policies/{name}")

    def startup(self, version: str, *, has_policy: bool = False) -> Iterator[Request]:
        """Yield what goes before the first record that *version* wrote."""
        given = self._arguments
        policy, prefix = given.retention_policyname, given.index_prefix
        if has_policy:
            yield self.policy("DELETE")
        if given.retention_enabled and given.retention_managepolicy:
            delete = {"actions": {"delete": {}}, "min_age": given.retention_minimumage}
            phases = {"policy": {"phases": {"delete": delete}}}
            yield self._request("PUT", f"/_ilm/policy/{policy}", _json(phases))
        if given.index_createtemplate:
            yield from self._templates(version.lower())
        pattern = f"{prefix}_*" if self.typed else f"{prefix}*"
        if given.opensearch:
            yield self._request("POST", f"/_plugins/_ism/remove/{pattern}")
            return
        name = policy if given.retention_enabled else None
        old = {"index": {"lifecycle": {"name": name}}}
        body = _json({"index.lifecycle.name": name} if self.typed else old)
        path = f"/{pattern}/_settings?allow_no_indices=true"
        yield self._request("PUT", path, body)

    def bulk(self, lines: Iterable[str]) -> Request:
        """Return the request with these *lines*."""
        kind = JSON if self._arguments.opensearch else NDJSON
        return self._request("POST", "/_bulk", "\n".join([*lines, ""]).encode(), kind)

    def lines(self, record: Record, count: int) -> tuple[str, str]:
        """Return the action and the document of a *record*; *count* is per type."""
        given, partition = self._arguments, record["partitionId"]
        day = datetime.fromtimestamp(record["timestamp"] / 1000, UTC)
        kind = record["valueType"].lower().replace("_", "-")
        name = f"{given.index_prefix}_{kind}_{record['brokerVersion'].lower()}"
        about = {
            "routing": str(partition),
            "_index": f"{name}_{day.strftime(given.date_format)}",
            "_id": f"{partition}-{record['position']}",
        }
        if self.typed:
            about = dict(sorted(about.items()))
        document = record | {"sequence": (partition << PARTITION_BITS) + count}
        return _text({"index": about}), self._escaped.sub(_pairs, _text(document))

    def problem(self, request: Request, answer: Answer) -> str | None:
        """Return why *answer* isn't a success of *request*."""
        where = f"{request.method} [{request.path}]"
        said = answer.body.decode(errors="replace")
        if not 200 <= answer.status < 300:
            return f"{where}, status line [HTTP/1.1 {answer.status}] {said}"
        if self._elastic and "x-elastic-product" not in answer.headers:
            return f"{where}: Missing [X-Elastic-Product] header"
        if self._elastic and "json" not in answer.headers.get("content-type", ""):
            return f"{where}: Expecting JSON data"
        try:
            body = json.loads(answer.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return f"{where}: this isn't JSON: {said}"
        if missing := self._missing(request, body):
            return f"{where}: Missing required property {', '.join(sorted(missing))}"
        return f"{where}: failed to flush {said}" if body.get("errors") else None

    def _missing(self, request: Request, body: dict[str, Any]) -> set[str]:
        if request.method == "DELETE":
            return {"result"} - body.keys()
        if request.path != "/_bulk":
            return {"acknowledged"} - body.keys() if self._elastic else set()
        if not self.typed:
            return set()
        items = [result for item in body.get("items", ()) for result in item.values()]
        lacking = [{"_index", "status"} - item.keys() for item in items]
        return set().union({"took", "errors", "items"} - body.keys(), *lacking)

    def _templates(self, version: str) -> Iterator[Request]:
        given, prefix = self._arguments, self._arguments.index_prefix
        component = f"{prefix}-{version}" if given.version >= (8, 8) else prefix
        for kind, recorded in _recorded_templates().items():
            text = recorded.replace("zeebe-record", prefix)
            text = text.replace(f'["{prefix}"]', f'["{component}"]')
            body = self._shaped(text.replace("_8.6.0_*", f"_{version}_*"))
            if not kind:
                yield self._request("PUT", f"/_component_template/{component}", body)
            elif kind.replace("-", "_").upper() in given.types:
                path = f"/_index_template/{prefix}_{kind}_{version}"
                yield self._request("PUT", path, body)

    def _shaped(self, text: str) -> bytes:
        """Return a recorded template as this client writes it."""
        if not self._elastic:
            return text.encode()
        body = json.loads(text)
        settings = body["template"]["settings"]
        for name in ("number_of_shards", "number_of_replicas"):
            settings[name] = str(settings[name])
        body["template"] = dict(sorted(body["template"].items()))
        return _json(dict(sorted(body.items())))

    def _request(
        self, method: str, path: str, body: bytes = b"", kind: str = JSON
    ) -> Request:
        given = self._arguments
        headers = ({KIND: kind} if body else {}) | self._fixed
        if self._elastic or kind == NDJSON:
            headers[CHUNKED] = "chunked"
        else:
            headers[LENGTH] = str(len(body))
        listed = [(name, headers[name]) for name in self._order if name in headers]
        user, password = given.authentication_username, given.authentication_password
        if user and password:
            both = f"{user}:{password}".encode("ascii", "replace")
            listed.append(("Authorization", f"Basic {base64.b64encode(both).decode()}"))
        return Request(method, path, listed, body)


@cache
def _recorded_templates() -> dict[str, str]:
    """Return the recorded bodies by value type with dashes; "" is the component."""
    found = {}
    for line in (WIRE / "es-exporter-8.6.0-startup.jsonl").read_text().splitlines():
        request = json.loads(line)
        if "_template/" in request["path"]:
            kind = request["path"].split("_")[3:4]
            found["".join(kind)] = request["body"]
    return found


def _pairs(found: re.Match[str]) -> str:
    """Return a character as Java escapes it: in units of 16 bits."""
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(
        f"\\u{units[i : i + 2].hex().upper()}" for i in range(0, len(units), 2)
    )


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _json(value: object) -> bytes:
    return _text(value).encode()
