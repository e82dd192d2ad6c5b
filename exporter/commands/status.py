"""
`status`: whether events are delivered, and if not, why and what to do.

While no service runs, it shows what waits in the spool.
"""

import argparse
import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from exporter.commands.arguments import Subparsers, add_command
from exporter.commands.client import AdminPort, command
from exporter.commands.printing import as_json, plural, printable, say

WAIT_SECONDS = 5.0
STATES = {
    "delivering": "yes",
    "idle": "yes, nothing waits",
    "retrying": "trying again",
    "open": "NO, the backend has trouble",
    "blocked": "NO, the setup is wrong",
    "stopped": "NO, the service isn't running",
}
REFUSING = "NO, the backend refuses every event"
SUSPECTS = (
    "refused when sent alone; an event that is refused again after another event "
    "succeeds becomes a dead letter"
)
LOST = "the spool was full, and APP_INTEGRATIONS_SPOOL_WHEN_FULL is drop-oldest"
LEFT_BEHIND = (
    "{what} of {name}: not configured any more; to drop them, use "
    "app-integrations-exporter drop-backend {name}"
)
MAKE_ROOM = (
    "Get the backend going, retry or drop dead letters, or raise "
    "APP_INTEGRATIONS_SPOOL_MAX_BYTES"
)
MINUTE, HOUR, DAY = 60, 3600, 86400
UNITS = ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min"), (MINUTE, "min", 1, "s"))

Status = Mapping[str, Any]
Row = tuple[str, str]


def add_to(commands: Subparsers) -> None:
    """Add `status` to *commands*."""
    add_command(commands, "status", status).add_argument(
        "--wait",
        action="store_true",
        help="wait until all events are delivered, then print the status",
    )


@command
async def status(port: AdminPort, args: argparse.Namespace) -> int:
    """Show whether events are delivered, and if not, why and what to do."""
    answer = await port.get("/status")
    while args.wait and "ingest" in answer and (events := _waiting_in(answer)):
        say(f"{_count(events, 'event')} {'is' if events == 1 else 'are'} waiting")
        await asyncio.sleep(WAIT_SECONDS)
        answer = await port.get("/status")
    print(as_json(answer) if args.json else "\n".join(lines_of(answer)))
    return 0 if answer["ok"] else 1


def _waiting_in(answer: Status) -> int:
    """Return how many events wait for backends that are configured."""
    return sum(each["waiting"]["events"] for each in answer["backends"].values())


def lines_of(status: Status) -> list[str]:
    """Return *status* for people, the most urgent first, without control characters."""
    rows = list(_rows(status))
    width = max(len(head) for head, _ in rows) + 2
    return [printable(f"{head:{width}}{text}") for head, text in rows]


def _rows(status: Status) -> Iterator[Row]:
    spool, running, backends = status["spool"], "ingest" in status, status["backends"]
    for name, backend in backends.items():
        if len(backends) > 1:
            yield "backend", name
        yield from _backend(backend, status.get("uptime_seconds"))
    if running:
        yield "room", _room(spool)
    letters, size = spool["dead_letters"], _bytes(spool["dead_letter_bytes"])
    show = f", {size}: app-integrations-exporter dead-letters list"
    yield "dead letters", f"{letters:,}{show if letters else ''}"
    for name, events in spool["left_behind"].items():
        what = _count(events, "event") if events else "dead letters"
        yield "LEFT BEHIND", LEFT_BEHIND.format(what=what, name=name)
    if running:
        yield from _ingest(status["ingest"], full=spool["full"])


def _backend(backend: Status, uptime: float | None) -> Iterator[Row]:
    delivery, waiting = backend["delivery"], backend["waiting"]
    state = delivery["state"]
    refusing = delivery.get("cause") == "refusing"
    yield "delivering", REFUSING if refusing else STATES.get(state, state)
    if state == "stopped":
        then = ": it delivers the waiting events" if waiting["events"] else ""
        yield "  to do", f"Start the service{then}"
    if trouble := delivery.get("trouble"):
        when = f"{duration(trouble['ago_seconds'])} ago"
        if wait := delivery["next_attempt_seconds"]:
            when += f", next attempt in {duration(wait)}"
        yield "  last failure", f"{trouble['reason']} ({when})"
        yield "  to do", trouble["remedy"]
    if suspects := delivery.get("suspect_events"):
        yield "  suspects", f"{_count(suspects, 'event')} {SUSPECTS}"
    events, size = waiting["events"], _bytes(waiting["event_bytes"])
    age = duration(waiting["oldest_age_seconds"])
    oldest = f", the oldest for {age}" if events else ""
    yield "waiting", f"{_count(events, 'event')}, {size}{oldest}"
    if uptime is not None:
        yield "latency", _latency(backend["latency"], uptime)
    if lost := waiting.get("lost_events"):
        yield "LOST", f"{_count(lost, 'event')} since the start: {LOST}"


def _latency(latency: Status, uptime: float) -> str:
    if not latency["events"]:
        return f"nothing delivered since the start {duration(uptime)} ago"
    p50, p95 = duration(latency["p50_seconds"]), duration(latency["p95_seconds"])
    return f"p50 {p50}, p95 {p95} (the last {_count(latency['events'], 'event')})"


def _room(spool: Status) -> str:
    held = spool["event_bytes"] + spool["dead_letter_bytes"]
    used = f"{_bytes(held)} of {_bytes(spool['limit_bytes'])} used"
    if spool["full"]:
        return f"NONE, the spool is full ({used})"
    if spool["hours_left"] is None:
        return f"not filling up ({used})"
    return f"for {duration(spool['hours_left'] * HOUR)} at today's rate ({used})"


def _ingest(ingest: Status, *, full: bool) -> Iterator[Row]:
    hindrance = ingest["hindrance"]
    yield "accepting", f"NO, {hindrance}" if hindrance else "yes"
    if full:
        yield "  to do", MAKE_ROOM
    if withheld := ingest["withheld"]:
        yield "WITHHELD", withheld["reason"]
        yield "  to do", withheld["remedy"]


def duration(seconds: float) -> str:
    """Format *seconds* in the largest unit that fits, and the next smaller one."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < MINUTE:
        return f"{seconds:.3g} s"
    whole = int(seconds)
    large, unit, small, part = next(pair for pair in UNITS if whole >= pair[0])
    rest = whole % large // small
    return f"{whole // large} {unit}" + (f" {rest} {part}" if rest else "")


def _bytes(size: float) -> str:
    units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        units.pop(0)
    return f"{size:.4g} {units[0]}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {plural(number, noun)}"
