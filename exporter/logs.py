"""
Logs on stderr: JSON lines for machines, readable text for people.

The message is a constant; fields come in `extra`. Secrets are never logged, so nothing
here has to hide them.
"""

import json
import logging
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from aiohttp.http_exceptions import HttpProcessingError

# Attributes of every record; the others came in `extra`.
OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
NO_HTTP_SECONDS = 60.0


@dataclass
class NoHttp:
    """A filter: logs one line a minute instead of tracebacks that quote requests."""

    now: Callable[[], float] = time.monotonic
    logged_at: float = -math.inf
    requests: int = 0

    def __call__(self, record: logging.LogRecord) -> bool:
        """Shorten or drop a *record* about a request that isn't HTTP."""
        error = record.exc_info and record.exc_info[1]
        if not isinstance(error, HttpProcessingError):
            return not isinstance(error, ConnectionError)  # the client has gone
        self.requests += 1
        if self.now() < self.logged_at + NO_HTTP_SECONDS:
            return False
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args = "request isn't HTTP: does the client use TLS?", ()
        record.exc_info = None
        record.requests = self.requests
        self.logged_at, self.requests = self.now(), 0
        return True


NO_HTTP = NoHttp()


class Handler(logging.StreamHandler[TextIO]):
    """A handler that never flushes, because flushing may wait for the reader."""

    def flush(self) -> None:
        """Do nothing: the stream decides when to write."""


def configure(level: str, form: str) -> None:
    """Log to stderr from *level* on; *form* is "text", "json" or "auto"."""
    logging.getLogger("aiohttp.server").addFilter(NO_HTTP)
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler = Handler(sys.stderr)
    handler.setFormatter(TextFormatter() if text else JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in OWN}


def _json(value: object) -> str:
    return _safe(json.dumps(value, ensure_ascii=False, default=str))


def _safe(text: str) -> str:
    """Escape what could deceive a reader: controls, line ends, changes of direction."""
    return "".join(
        each if each.isprintable() else json.dumps(each)[1:-1] for each in text
    )


class JsonFormatter(logging.Formatter):
    """One object a line: time, level and message first, an exception last."""

    def format(self, record: logging.LogRecord) -> str:
        """Format *record* as one line; `str` converts other types."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{seconds}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _json(line)


class TextFormatter(logging.Formatter):
    """`14:05:09 WARNING batch attempted  outcome="postponed" retry_in_ms=4000`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Format *record*; all lines except the first are indented."""
        return "\n  ".join(map(_safe, super().format(record).split("\n")))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its name
        """Put the fields after the message, before an exception."""
        fields = "".join(
            f" {key}={_json(value)}" for key, value in _fields(record).items()
        )
        return f"{super().formatMessage(record)} {fields}".rstrip()
