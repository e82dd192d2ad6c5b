"""The status for people is short, ordered by urgency, and clean."""

import pytest

from exporter.commands.status import duration, lines_of

MIB = 1024 * 1024


def a_backend(**changes):
    """Return the status of a healthy backend, with *changes*."""
    backend = {
        "delivery": {
            "state": "delivering",
            "trouble": None,
            "next_attempt_seconds": 0,
        },
        "waiting": {
            "events": 1234,
            "event_bytes": 1_572_864,
            "oldest_age_seconds": 0.25,
            "lost_events": 0,
        },
        "latency": {"events": 1000, "p50_seconds": 0.009, "p95_seconds": 1.25},
    }
    return {part: each | changes.get(part, {}) for part, each in backend.items()}


def a_status(*, backends=None, spool=None, ingest=None, **changes):
    """Return the status of a healthy service, with changes."""
    return {
        "ok": True,
        "uptime_seconds": 7200,
        "backends": backends or {"default": a_backend(**changes)},
        "spool": {
            "events": 1234,
            "event_bytes": 1_572_864,
            "dead_letters": 0,
            "dead_letter_bytes": 0,
            "limit_bytes": 1024 * MIB,
            "left_behind": {},
            "full": False,
            "hours_left": 61.5,
        }
        | (spool or {}),
        "ingest": {
            "hindrance": None,
            "answers": {"200": 5000, "429": 0, "other": 1},
            "records": {"accepted": 4000, "repeat": 1},
            "epochs": 0,
            "withheld": None,
        }
        | (ingest or {}),
    }


def test_all_is_well():
    """Each fact has its line, and the lines are aligned."""
    assert lines_of(a_status()) == [
        "delivering    yes",
        "waiting       1,234 events, 1.5 MiB, the oldest for 250 ms",
        "latency       p50 9 ms, p95 1.25 s (1,000 events since the start 2 h ago)",
        "room          for 2 d 13 h at today's rate (1.5 MiB of 1 GiB used)",
        "dead letters  0",
        "accepting     yes",
        "  answers     5,000 x 200, 1 x other; 1 repeat dropped, 0 epochs",
    ]


def test_what_somebody_has_to_know():
    """Lost events, suspects, and a backend that refuses everything are shown."""
    lines = lines_of(
        a_status(
            delivery={"state": "blocked", "cause": "refusing", "suspect_events": 1},
            waiting={"lost_events": 2050},
        )
    )

    assert lines[0].endswith("NO, the backend refuses every event")
    assert "suspects" in lines[1]
    assert any(line.startswith("LOST") and "2,050 events" in line for line in lines)


def test_nothing_has_happened():
    """Right after a start no rates are made up."""
    lines = lines_of(
        a_status(
            delivery={"state": "idle"},
            waiting={"events": 0, "event_bytes": 0},
            spool={"events": 0, "event_bytes": 0, "hours_left": None},
            latency={"events": 0, "p50_seconds": None, "p95_seconds": None},
        )
    )

    assert lines[:4] == [
        "delivering    yes, nothing waits",
        "waiting       0 events, 0 bytes",
        "latency       nothing delivered since the start 2 h ago",
        "room          not filling up (0 bytes of 1 GiB used)",
    ]


@pytest.mark.parametrize(
    "state, said",
    [
        ("open", "NO, the backend has trouble"),
        ("blocked", "NO, the setup is wrong"),
        ("retrying", "trying again"),
    ],
)
def test_why_and_what_to_do(state, said):
    """The first lines show the problem, its cause, its age and the remedy."""
    trouble = {"reason": "401 No", "remedy": "Correct the key", "ago_seconds": 12}
    delivery = {"state": state, "trouble": trouble, "next_attempt_seconds": 18}

    assert lines_of(a_status(delivery=delivery))[:3] == [
        f"delivering      {said}",
        "  last failure  401 No (12 s ago, next attempt in 18 s)",
        "  to do         Correct the key",
    ]


def test_a_full_spool():
    """A full spool is shown in several places, with the remedy."""
    lines = lines_of(
        a_status(
            spool={"full": True}, ingest={"hindrance": "the spool is full: 9 bytes"}
        )
    )

    assert "room          NONE, the spool is full (1.5 MiB of 1 GiB used)" in lines
    assert "accepting     NO, the spool is full: 9 bytes" in lines
    assert lines[-2].startswith("  to do       Get the backend going")


def test_dead_letters():
    """The line about dead letters has the command that lists them."""
    lines = lines_of(a_status(spool={"dead_letters": 3, "dead_letter_bytes": 2048}))

    assert (
        "dead letters  3, 2 KiB: app-integrations-exporter dead-letters list" in lines
    )


def test_no_service():
    """Without a service, the status shows the spool and what to do."""
    status = without_service(a_status(delivery={"state": "stopped"}))

    assert lines_of(status) == [
        "delivering    NO, the service isn't running",
        "  to do       Start the service: it delivers the waiting events",
        "waiting       1,234 events, 1.5 MiB, the oldest for 250 ms",
        "dead letters  0",
    ]


def without_service(status):
    """Return the part of *status* that needs no service."""
    backends = {
        name: {part: backend[part] for part in ("delivery", "waiting")}
        for name, backend in status["backends"].items()
    }
    return {"ok": False, "backends": backends, "spool": status["spool"]}


def test_two_backends():
    """Each backend has its own lines below its name; shared lines follow."""
    trouble = {"reason": "401 No", "remedy": "Correct the key", "ago_seconds": 12}
    blocked = {"state": "blocked", "trouble": trouble, "next_attempt_seconds": 18}
    backends = {"teams": a_backend(), "audit": a_backend(delivery=blocked)}

    assert lines_of(a_status(backends=backends)) == [
        "backend         teams",
        "delivering      yes",
        "waiting         1,234 events, 1.5 MiB, the oldest for 250 ms",
        "latency         p50 9 ms, p95 1.25 s (1,000 events since the start 2 h ago)",
        "backend         audit",
        "delivering      NO, the setup is wrong",
        "  last failure  401 No (12 s ago, next attempt in 18 s)",
        "  to do         Correct the key",
        "waiting         1,234 events, 1.5 MiB, the oldest for 250 ms",
        "latency         p50 9 ms, p95 1.25 s (1,000 events since the start 2 h ago)",
        "room            for 2 d 13 h at today's rate (1.5 MiB of 1 GiB used)",
        "dead letters    0",
        "accepting       yes",
        "  answers       5,000 x 200, 1 x other; 1 repeat dropped, 0 epochs",
    ]


@pytest.mark.parametrize("running", [True, False])
def test_left_behind(running):
    """Events without a backend are shown in capitals, with the command to use."""
    status = a_status(spool={"left_behind": {"old": 1, "older": 2000}})

    lines = lines_of(status if running else without_service(status))

    one, many = [line for line in lines if line.startswith("LEFT BEHIND   ")]
    assert "1 event of old: " in one
    assert "2,000 events of older: " in many
    assert many.endswith("app-integrations-exporter backends")


def test_no_control_characters():
    """An answer of the backend can't move the cursor, or start a new line."""
    trouble = {"reason": "\x1b[2J\r\nyes", "remedy": "\x07", "ago_seconds": 1}

    lines = lines_of(a_status(delivery={"state": "open", "trouble": trouble}))

    assert all(line.isprintable() for line in lines)
    assert r"\x1b[2J\r\nyes" in lines[1]


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "0 ms"),
        (0.0094, "9 ms"),
        (1.25, "1.25 s"),
        (59.99, "60 s"),
        (60, "1 min"),
        (95, "1 min 35 s"),
        (3 * 3600 + 12 * 60 + 5, "3 h 12 min"),
        (3600, "1 h"),
        (2 * 86400 + 3600, "2 d 1 h"),
        (86400 * 400, "400 d"),
    ],
)
def test_durations(seconds, text):
    """A duration has one or two units."""
    assert duration(seconds) == text
