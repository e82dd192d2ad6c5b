"""
The requests of a broker's search exporters, byte for byte, by version.

Pure: arguments and records in, bytes out. Headers and templates are recorded. These are
assumptions: one chunk holds a whole body; the header with credentials is last; every
version has the 31 index templates of 8.6.0; the typed client for Elasticsearch is 8.19
in 8.9, and 9.2 in 8.10.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

from devkit.arguments import Arguments
from devkit.backend import Answer
from devkit.playing import compact
from devkit.stories import PARTITION_BITS, RECORDINGS, Record

WIRE = RECORDINGS / "wire"
STARTUP, BULK = "es-exporter-8.6.0-startup", "es-exporter-8.6.0-bulk"
OPENSEARCH = "os-exporter-8.6.0-retention-off-startup"
TYPED = "typed-es-client-8.19.11-and-9.2.5"
TYPED_OPENSEARCH = "typed-os-client-3.4.0"

# Up to 8.7, characters beyond 16 bits are escaped in JSON, as \uD83D\uDE80.
ESCAPED, ESCAPED_8_8 = map(re.compile, ("[^\0-\ud7ff\ue000-\uffff]", "[\ud800-\udfff]"))


class SearchRequest(NamedTuple):
    """One request to a search server."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def encoded(self) -> bytes:
        """Return the bytes on the wire."""
        lines = [f"{self.method} {self.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        body = self.body
        if ("Transfer-Encoding", "chunked") in self.headers:
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@cache
def recorded(name: str) -> list[SearchRequest]:
    """Return the requests of a recording."""
    lines = map(json.loads, (WIRE / f"{name}.jsonl").read_text("utf-8").splitlines())
    return [
        SearchRequest(
            x["method"], x["path"], [*map(tuple, x["headers"])], x["body"].encode()
        )
        for x in lines
    ]


class RequestBuilder:
    """Builds the requests of one exporter."""

    def __init__(self, arguments: Arguments) -> None:
        """Choose the headers for an exporter with these *arguments*."""
        version, opensearch = arguments.version, arguments.opensearch
        self._arguments = arguments
        self._typed = version >= ((8, 10) if opensearch else (8, 9))
        self._elastic = self._typed and not opensearch
        self._escaped = ESCAPED if version < (8, 8) else ESCAPED_8_8
        if self._typed:
            number = 4 if version < (8, 10) else 9
            put = (
                recorded(TYPED_OPENSEARCH)[0] if opensearch else recorded(TYPED)[number]
            )
        else:
            put = recorded(OPENSEARCH)[1] if opensearch else recorded(STARTUP)[0]
        bulk = put if self._typed or opensearch else recorded(BULK)[0]
        self._headers, self._bulk_headers = put.headers, bulk.headers

    def startup(self, version: str) -> Iterator[SearchRequest]:
        """Yield the requests that precede the first record of *version*."""
        given, prefix = self._arguments, self._arguments.index_prefix
        if given.opensearch:
            yield self._request("GET", recorded(OPENSEARCH)[0].path)
        if given.index_createtemplate:
            yield from self._templates(version.lower())
        pattern = f"{prefix}_*" if self._typed else f"{prefix}*"
        if given.opensearch:
            yield self._request("POST", f"/_plugins/_ism/remove/{pattern}")
            return
        body = recorded(TYPED)[2].body if self._typed else recorded(STARTUP)[-1].body
        yield self._request("PUT", f"/{pattern}/_settings?allow_no_indices=true", body)

    def bulk(self, lines: Iterable[str]) -> SearchRequest:
        """Return the bulk request with these *lines*."""
        return self._request("POST", "/_bulk", "\n".join([*lines, ""]).encode())

    def lines(self, record: Record, count: int) -> tuple[str, str]:
        """Return the action and document of *record*, the *count*-th of its type."""
        partition, prefix = record["partitionId"], self._arguments.index_prefix
        day = datetime.fromtimestamp(record["timestamp"] / 1000, UTC).date()
        kind = record["valueType"].lower().replace("_", "-")
        about = {
            "routing": str(partition),
            "_index": f"{prefix}_{kind}_{record['brokerVersion'].lower()}_{day}",
            "_id": f"{partition}-{record['position']}",
        }
        if self._typed:
            about = dict(sorted(about.items()))
        document = record | {"sequence": (partition << PARTITION_BITS) + count}
        return compact({"index": about}), self._escaped.sub(_as_java, compact(document))

    def problem(self, request: SearchRequest, answer: Answer) -> str | None:
        """Return the reason why *request* failed, or None if it succeeded."""
        where = f"{request.method} [{request.path}]"
        text = answer.body.decode(errors="replace")
        is_success = 200 <= answer.status < 300
        if request.method == "GET":
            return f"{where}: deleting a policy isn't imitated" if is_success else None
        if not is_success:
            return f"{where}, status line [HTTP/1.1 {answer.status}] {text}"
        try:
            body = json.loads(answer.body)
        except ValueError:
            body = None
        is_json = "json" in answer.headers.get("content-type", "")
        is_product = is_json and "x-elastic-product" in answer.headers
        if not isinstance(body, dict) or (self._elastic and not is_product):
            return f"{where}: this isn't the JSON of a search server: {text}"
        lacking: set[str] = set()
        if request.path != "/_bulk":
            lacking = {"acknowledged"} - body.keys() if self._elastic else lacking
        elif self._typed:
            items = [x for item in body.get("items", ()) for x in item.values()]
            lacking = {"took", "errors", "items"} - body.keys()
            lacking.update(*({"_index", "status"} - item.keys() for item in items))
        if lacking:
            return f"{where}: Missing required property {', '.join(sorted(lacking))}"
        return f"{where}: failed to flush {text}" if body.get("errors") else None

    def _templates(self, version: str) -> Iterator[SearchRequest]:
        """Yield the recorded templates in the form of this client."""
        given, prefix = self._arguments, self._arguments.index_prefix
        component = f"{prefix}-{version}" if given.version >= (8, 8) else prefix
        for _, old, _, body in recorded(STARTUP)[:-1]:
            kind = "".join(old.split("_")[3:4])
            if kind and kind.replace("-", "_").upper() not in given.flags:
                continue
            text = body.decode().replace("zeebe-record", prefix)
            text = text.replace(f'["{prefix}"]', f'["{component}"]')
            text = text.replace("_8.6.0_*", f"_{version}_*")
            path = f"/_index_template/{prefix}_{kind}_{version}"
            path = path if kind else f"/_component_template/{component}"
            yield self._request("PUT", path, self._shaped(text))

    def _shaped(self, text: str) -> bytes:
        if not self._elastic:
            return text.encode()
        body = json.loads(text)
        body["template"] = dict(sorted(body["template"].items()))
        for name in ("number_of_shards", "number_of_replicas"):
            body["template"]["settings"][name] = str(body["template"]["settings"][name])
        return compact(dict(sorted(body.items()))).encode()

    def _request(self, method: str, path: str, body: bytes = b"") -> SearchRequest:
        """Return a request with recorded headers."""
        given, is_bulk = self._arguments, path == "/_bulk"
        host, port = given.address or ("", 0)
        own = {"Host": f"{host}:{port}", "Content-Length": str(len(body))}
        headers = [
            (name, own.get(name, value))
            for name, value in (self._bulk_headers if is_bulk else self._headers)
            if body or is_bulk or name != "Content-Type"
        ]
        if given.version < (8, 6):
            headers = [(name, x.replace("8.13.4", "8.9.2")) for name, x in headers]
        user, password = given.authentication_username, given.authentication_password
        if user and password:
            both = base64.b64encode(f"{user}:{password}".encode())
            headers.append(("Authorization", f"Basic {both.decode()}"))
        return SearchRequest(method, path, headers, body)


def _as_java(found: re.Match[str]) -> str:
    """Return a character as Java escapes it: in 16-bit units."""
    return json.dumps(found[0])[1:-1].upper().replace("U", "u")
