"""
The status in a handful of lines, in the order an operator at night needs them.

Pure: a dict in, text out.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from exporter.commands.printing import printable

SHOW_DEAD_LETTERS = "app-integrations-exporter dead-letters list"
SAID = {
    "delivering": "yes",
    "idle": "yes, nothing waits",
    "retrying": "trying again",
    "open": "NO, the backend has trouble",
    "blocked": "NO, the setup is wrong",
    "stopped": "NO, the service isn't running",
}
REFUSING = "NO, the backend refuses every event"
SUSPECTS = "refused alone: dead letters, if it's still so once another event was taken"
LOST = "the spool was full, and APP_INTEGRATIONS_SPOOL_WHEN_FULL is drop-oldest"
DECIDE = "not configured any more: app-integrations-exporter backends decides"
START = "Start the service; what waits is kept, and delivered then"
MAKE_ROOM = (
    "Get the backend going, retry or drop dead letters, or raise "
    "APP_INTEGRATIONS_SPOOL_MAX_BYTES"
)
MINUTE, HOUR, DAY = 60, 3600, 86400
UNITS = ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min"), (MINUTE, "min", 1, "s"))

Status = Mapping[str, Any]


def lines_of(status: Status) -> list[str]:
    """Return *status* for people, in aligned lines without control characters."""
    spool, running, backends = status["spool"], "ingest" in status, status["backends"]
    rows: list[tuple[str, str]] = []
    for name, backend in backends.items():
        if len(backends) > 1:
            rows.append(("backend", name))
        rows += _backend(backend, status.get("uptime_seconds"))
    if running:
        rows.append(_room(spool))
    rows.append(_dead_letters(spool))
    for name, events in spool["left_behind"].items():
        rows.append(("LEFT BEHIND", f"{_count(events, 'event')} of {name}: {DECIDE}"))
    if running:
        rows += _ingest(status["ingest"], full=spool["full"])
    width = max(len(head) for head, _ in rows) + 2
    return [printable(f"{head:{width}}{text}") for head, text in rows]


def _backend(backend: Status, uptime: float | None) -> Iterator[tuple[str, str]]:
    waiting = backend["waiting"]
    yield from _delivery(backend["delivery"])
    yield _waiting(waiting)
    if uptime is not None:
        yield _latency(backend["latency"], uptime)
    if lost := waiting.get("lost_events"):
        yield "LOST", f"{_count(lost, 'event')} since the start: {LOST}"


def _delivery(delivery: Status) -> Iterator[tuple[str, str]]:
    state = delivery["state"]
    refusing = delivery.get("cause") == "refusing"
    yield "delivering", REFUSING if refusing else str(SAID.get(state, state))
    if state == "stopped":
        yield "  to do", START
    if trouble := delivery.get("trouble"):
        when = f"{duration(trouble['ago_seconds'])} ago"
        if wait := delivery["next_attempt_seconds"]:
            when += f", next attempt in {duration(wait)}"
        yield "  last failure", f"{trouble['reason']} ({when})"
        yield "  to do", trouble["remedy"]
    if suspects := delivery.get("suspect_events"):
        yield "  suspects", f"{_count(suspects, 'event')} {SUSPECTS}"


def _waiting(waiting: Status) -> tuple[str, str]:
    events, age = waiting["events"], duration(waiting["oldest_age_seconds"])
    oldest = f", the oldest for {age}" if events else ""
    size = _bytes(waiting["event_bytes"])
    return "waiting", f"{_count(events, 'event')}, {size}{oldest}"


def _dead_letters(spool: Status) -> tuple[str, str]:
    letters = spool["dead_letters"]
    kept = f", {_bytes(spool['dead_letter_bytes'])}: {SHOW_DEAD_LETTERS}"
    return "dead letters", f"{letters:,}{kept if letters else ''}"


def _latency(latency: Status, uptime: float) -> tuple[str, str]:
    since = f"since the start {duration(uptime)} ago"
    if not latency["events"]:
        return "latency", f"nothing delivered {since}"
    p50, p95 = (duration(latency[f"{name}_seconds"]) for name in ("p50", "p95"))
    delivered = _count(latency["events"], "event")
    return "latency", f"p50 {p50}, p95 {p95} ({delivered} {since})"


def _room(spool: Status) -> tuple[str, str]:
    held = spool["event_bytes"] + spool["dead_letter_bytes"]
    used = f"{_bytes(held)} of {_bytes(spool['limit_bytes'])} used"
    if spool["full"]:
        return "room", f"NONE, the spool is full ({used})"
    if spool["hours_left"] is None:
        return "room", f"not filling up ({used})"
    left = duration(spool["hours_left"] * HOUR)
    return "room", f"for {left} at today's rate ({used})"


def _ingest(ingest: Status, *, full: bool) -> Iterator[tuple[str, str]]:
    answers = [
        f"{count:,} x {code}" for code, count in ingest["answers"].items() if count
    ]
    repeats = _count(ingest["records"]["repeat"], "repeat")
    epochs = _count(ingest["epochs"], "epoch")
    hindrance = ingest["hindrance"]
    yield "accepting", f"NO, {hindrance}" if hindrance else "yes"
    if full:
        yield "  to do", MAKE_ROOM
    if withheld := ingest["withheld"]:
        yield "WITHHELD", withheld["reason"]
        yield "  to do", withheld["remedy"]
    yield "  answers", f"{', '.join(answers) or 'none'}; {repeats} dropped, {epochs}"


def duration(seconds: float) -> str:
    """Return *seconds* in the unit or two that matter."""
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
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
