"""The status for people is short, ordered by urgency, and clean."""

import pytest

from exporter.commands.status import duration, lines_of

MIB = 1024 * 1024
TROUBLE = {"reason": "401 No", "remedy": "Correct the key", "ago_seconds": 12}


def a_backend(state="delivering", *, events=1234, latency=1000, **delivery):
    """Return the status of a backend; *delivery* is more about that."""
    return {
        "delivery": {"state": state, "trouble": None, "next_attempt_seconds": 18}
        | delivery,
        "waiting": {
            "events": events,
            "event_bytes": events * 1024,
            "oldest_age_seconds": 0.25,
            "lost_events": 0,
        },
        "latency": {"events": latency, "p50_seconds": 0.009, "p95_seconds": 1.25},
    }


def a_status(*backends, hindrance=None, **spool):
    """Return the status of a service with *backends*; *spool* is more about that."""
    names = ["teams", "audit"] if len(backends) > 1 else ["default"]
    return {
        "uptime_seconds": 7200,
        "backends": dict(zip(names, backends or [a_backend()], strict=True)),
        "spool": {
            "event_bytes": 1_572_864,
            "dead_letters": 0,
            "dead_letter_bytes": 0,
            "limit_bytes": 1024 * MIB,
            "left_behind": {},
            "full": False,
            "hours_left": 61.5,
        }
        | spool,
        "ingest": {
            "hindrance": hindrance,
            "withheld": None,
        },
    }


def test_all_is_well():
    """Each fact has its line, and the lines are aligned."""
    assert lines_of(a_status()) == [
        "delivering    yes",
        "waiting       1,234 events, 1.205 MiB, the oldest for 250 ms",
        "latency       p50 9 ms, p95 1.25 s (the last 1,000 events)",
        "room          for 2 d 13 h at today's rate (1.5 MiB of 1 GiB used)",
        "dead letters  0",
        "accepting     yes",
    ]


def test_nothing_has_happened():
    """Right after a start no rates are made up."""
    idle = a_backend("idle", events=0, latency=0)

    assert lines_of(a_status(idle, event_bytes=0, hours_left=None))[:4] == [
        "delivering    yes, nothing waits",
        "waiting       0 events, 0 bytes",
        "latency       nothing delivered since the start 2 h ago",
        "room          not filling up (0 bytes of 1 GiB used)",
    ]


@pytest.mark.parametrize(
    "state, cause, said",
    [
        ("open", "failing", "NO, the backend has trouble"),
        ("blocked", "blocked", "NO, the setup is wrong"),
        ("blocked", "refusing", "NO, the backend refuses every event"),
        ("retrying", None, "trying again"),
    ],
)
def test_why_and_what_to_do(state, cause, said):
    """The first lines show the problem, its cause, its age and the remedy."""
    backend = a_backend(state, cause=cause, trouble=TROUBLE)

    assert lines_of(a_status(backend))[:3] == [
        f"delivering      {said}",
        "  last failure  401 No (12 s ago, next attempt in 18 s)",
        "  to do         Correct the key",
    ]


def test_what_somebody_has_to_know():
    """Suspects, lost events, dead letters and a full spool have lines and remedies."""
    backend = a_backend(suspect_events=1)
    backend["waiting"]["lost_events"] = 2050
    dead = {"dead_letters": 3, "dead_letter_bytes": 2048}

    lines = lines_of(a_status(backend, hindrance="9 bytes", full=True, **dead))

    assert lines[1].startswith("  suspects    1 event")
    assert lines[4].startswith("LOST          2,050 events")
    assert lines[5] == "room          NONE, the spool is full (1.502 MiB of 1 GiB used)"
    assert lines[6].startswith("dead letters  3, 2 KiB: ")
    assert lines[7] == "accepting     NO, 9 bytes"
    assert lines[8].startswith("  to do       Get the backend going")


def test_two_backends():
    """Each backend has its own lines below its name; shared lines follow."""
    lines = lines_of(a_status(a_backend(), a_backend("blocked", trouble=TROUBLE)))

    assert [line[:14].strip() for line in lines] == [
        *("backend", "delivering", "waiting", "latency"),
        *("backend", "delivering", "last failure", "to do", "waiting", "latency"),
        *("room", "dead letters", "accepting"),
    ]
    assert [lines[0][16:], lines[4][16:]] == ["teams", "audit"]


@pytest.mark.parametrize(
    "events, what", [(0, "dead letters"), (1, "1 event"), (2, "2 events")]
)
def test_left_behind(events, what):
    """A backend without waiting events is listed because it has dead letters."""
    (line,) = [
        line
        for line in lines_of(a_status(left_behind={"old": events}))
        if line.startswith("LEFT BEHIND")
    ]

    assert f" {what} of old: " in line
    assert line.endswith("app-integrations-exporter drop-backend old")


def test_no_control_characters():
    """An answer of the backend can't move the cursor, or start a new line."""
    trouble = {"reason": "\x1b[2J\r\nyes", "remedy": "\x07", "ago_seconds": 1}

    lines = lines_of(a_status(a_backend("open", trouble=trouble)))

    assert all(line.isprintable() for line in lines)
    assert r"\x1b[2J\r\nyes" in lines[1]


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0.0094, "9 ms"),
        (1.25, "1.25 s"),
        (59.99, "60 s"),
        (60, "1 min"),
        (95, "1 min 35 s"),
        (3 * 3600 + 12 * 60 + 5, "3 h 12 min"),
        (86400 * 400, "400 d"),
    ],
)
def test_durations(seconds, text):
    """A duration has one or two units."""
    assert duration(seconds) == text
