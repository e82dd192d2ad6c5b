"""
The exporter, broken on purpose once per promise, to see the oracle notice.

Each mutation is a few lines of another text in a copy of the package. One whose text
isn't found any more is an error, not a success: it has to be written anew.
"""

import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.exporter import ROOT
from tests.faults.oracle import Promise
from tests.faults.scenarios import Run, bad_events, kills, patience

Scenario = Callable[..., Awaitable[Run]]

SETTLE_SECONDS = 5.0
"""How long is waited for what a mutant will never deliver."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One text of one file, and what stands there instead."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutation:
    """One promise, broken in the code."""

    name: str
    breaks: Promise
    edits: tuple[Edit, ...]
    scenario: Scenario = kills


async def more_patience(directory: Path, seed: str, count: int, **how: Any) -> Run:
    """Ask for silence more often: once may be when nothing waits to be sent."""
    return await patience(directory, seed, 20 * count, **how)


MUTATIONS = (
    Mutation(
        "the broker is answered before the commit",
        Promise.KEPT,
        (
            Edit(
                "ingest/server.py",
                "accepted = await self._spool.append(intake.events, intake.unreadable)",
                "asyncio.get_running_loop().call_later(0.05, lambda: "
                "asyncio.ensure_future("
                "self._spool.append(intake.events, intake.unreadable)))\n"
                "            accepted = Accepted((), 0, 0, ())",
            ),
            Edit(
                "ingest/server.py", "import base64\n", "import asyncio\nimport base64\n"
            ),
        ),
    ),
    Mutation(
        "a batch is settled before it's posted",
        Promise.KEPT,
        (
            Edit(
                "delivery/delivery.py",
                "        piece.attempts += 1\n",
                "        if not piece.attempts:\n"
                "            await self._outbox.settle(piece.batch)\n"
                "        piece.attempts += 1\n",
            ),
            Edit(
                "delivery/delivery.py",
                "await self._outbox.settle(batch)\n            self._land()",
                "self._land()",
            ),
        ),
    ),
    Mutation(
        "any answer counts as a success",
        Promise.KEPT,
        (Edit("delivery/outcome.py", "200 <= status <= 299", "200 <= status <= 599"),),
    ),
    Mutation(
        "what waited before a restart is forgotten",
        Promise.KEPT,
        (Edit("spool/outbox.py", "_known_to = 0\n", "_known_to = self._newest\n"),),
    ),
    Mutation(
        "every event has a lane of its own",
        Promise.ORDERED,
        (
            Edit(
                "events/event.py",
                "return self.instance if self.instance > 0 else -self.partition",
                "return self.position * 10 + self.partition",
            ),
        ),
    ),
    Mutation(
        "the newest events go first",
        Promise.ORDERED,
        (
            Edit(
                "spool/lanes.py",
                "        return taken\n",
                "        return taken[::-1]\n",
            ),
        ),
    ),
    Mutation(
        "repeats are accepted",
        Promise.ONCE,
        (
            Edit(
                "spool/store.py",
                "fresh, epochs, assumed = self._identities.fresh(events)",
                "fresh, epochs, assumed = list(events), [], []",
            ),
        ),
    ),
    Mutation(
        "identities are of the next position",
        Promise.ISSUED,
        (Edit("events/event.py", "-{self.position}-", "-{self.position + 1}-"),),
    ),
    Mutation(
        "bodies and identities don't go together",
        Promise.EQUAL,
        (
            Edit(
                "delivery/request.py",
                "written.write(event, cluster_id) for event in events",
                "sorted(written.write(event, cluster_id) for event in events)",
            ),
        ),
    ),
    Mutation(
        "what can't be mapped is swallowed",
        Promise.SHOWN,
        (
            Edit(
                "ingest/intake.py",
                "        self.unreadable.append(Unreadable(reason, action, document))",
                "        log.debug(Unreadable(reason, action, document))",
            ),
        ),
    ),
    Mutation(
        "a body that breaks off is taken for a whole one",
        Promise.SHOWN,
        (
            Edit(
                "ingest/server.py",
                "        except (aiohttp.ClientError, web.RequestPayloadError, OSError)"
                " as error:\n            return self._refuse(",
                "        except (aiohttp.ClientError, web.RequestPayloadError, OSError)"
                " as error:\n            (lambda *_: None)(",
            ),
        ),
    ),
    Mutation(
        "an answer that can't be read ends the service",
        Promise.ALIVE,
        (
            Edit(
                "delivery/backend.py",
                "            except ERRORS as error:\n",
                "            except ZeroDivisionError as error:\n",
            ),
            Edit(
                "delivery/backend.py",
                "            except Exception:\n",
                "            except ArithmeticError:\n",
            ),
        ),
    ),
    Mutation(
        "a bad event takes its neighbours along",
        Promise.KEPT,
        (Edit("delivery/delivery.py", "if piece.size > 1:\n", "if not piece:\n"),),
        bad_events,
    ),
    Mutation(
        "a bad event disappears",
        Promise.SHOWN,
        (
            Edit(
                "delivery/delivery.py",
                "await self._outbox.bury(batch, verdict)",
                "await self._outbox.settle(batch)",
            ),
        ),
        bad_events,
    ),
    Mutation(
        "Retry-After isn't heard",
        Promise.PATIENT,
        (Edit("delivery/breaker.py", "self._now() + retry_after)", "0.0)"),),
        more_patience,
    ),
)


def mutant(mutation: Mutation, directory: Path) -> Path:
    """Return the place of a copy of the package in *directory* with *mutation*."""
    shutil.copytree(
        ROOT / "exporter",
        directory / "exporter",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for edit in mutation.edits:
        path = directory / "exporter" / edit.file
        path.write_text(edited(edit, path.read_text("utf-8")), encoding="utf-8")
    return directory


def edited(edit: Edit, text: str) -> str:
    """Return *text* with *edit*, whose old text must be there, and only once."""
    found = text.count(edit.old)
    if found != 1:
        message = f"{edit.file} has the text to be mutated {found} times: {edit.old!r}"
        raise LookupError(message)
    return text.replace(edit.old, edit.new)


async def run(mutation: Mutation, directory: Path, seed: str, count: int) -> Run:
    """Run *mutation* through its scenario, with *count* kills or faults."""
    return await mutation.scenario(
        directory,
        seed,
        count,
        source=mutant(mutation, directory / "source"),
        settle_seconds=SETTLE_SECONDS,
    )
