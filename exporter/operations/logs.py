"""
Logs on stderr: one JSON object a line for machines, readable text for people.

The message is a constant, what varies comes in `extra`. No secret is ever
given to a logger, so nothing here has to hide one.
"""

import json
import logging
import sys
import time

from aiohttp.http_exceptions import HttpProcessingError

# What every record has; the rest came with `extra`.
OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class NoHttp(logging.Filter):
    """One line instead of a traceback that quotes whatever somebody sent."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten *record* when it's about a request that is no HTTP."""
        if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.msg, record.args = "request is no HTTP: does the client use TLS?", ()
            record.exc_info = None
        return True


def configure(level: str, form: str) -> None:
    """Send every logger's lines from *level* on to stderr, in *form*."""
    logging.getLogger("aiohttp.server").addFilter(NoHttp())
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextFormatter() if text else JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in OWN}


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    # A lone surrogate has no UTF-8 form, but an escape that JSON knows.
    return text.encode(errors="backslashreplace").decode()


class JsonFormatter(logging.Formatter):
    """One object a line: time, level and message first, an exception last."""

    def format(self, record: logging.LogRecord) -> str:
        """Return *record* as one line; what isn't JSON by nature becomes its `str`."""
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
        """Show the time of day alone: someone is watching."""
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its name
        """Put the fields behind the message, and leave an exception behind them."""
        fields = "".join(
            f" {key}={_json(value)}" for key, value in _fields(record).items()
        )
        return super().formatMessage(record) + (f" {fields}" if fields else "")
