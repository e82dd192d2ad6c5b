"""
The exporter, broken on purpose once per promise, to see the oracle notice.

Each mutation is a few lines of another text in a copy of the package. One whose text
isn't found any more is an error, not a success: it has to be written anew.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.faults.exporter import ROOT
from tests.faults.oracle import Promise


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
                "        request = request_of(batch, self._plan.cluster_id)\n",
                "        request = request_of(batch, self._plan.cluster_id)\n"
                "        await self._outbox.settle(batch)\n",
            ),
            Edit(
                "delivery/delivery.py",
                "        await self._outbox.settle(batch)\n        self._land()",
                "        self._land()",
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
        (Edit("spool/outbox.py", "_known_to = 0\n", "_known_to = store.newest\n"),),
    ),
    Mutation(
        "a lane is free while its batch is in flight",
        Promise.ORDERED,
        (
            Edit(
                "spool/outbox.py",
                "            places = self._lanes.take(limits.events)\n",
                "            places = self._lanes.take(limits.events)\n"
                "            self._lanes.land({place.lane for place in places})\n",
            ),
            Edit(
                "spool/outbox.py",
                "        self._lanes.land({event.lane for event in batch.events})\n",
                "",
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
            Edit(
                "spool/outbox.py",
                "            entries.sort(key=lambda entry: entry.sequence)\n",
                "            entries.sort(key=lambda entry: -entry.sequence)\n",
            ),
        ),
    ),
    Mutation(
        "repeats are accepted",
        Promise.ONCE,
        (
            Edit(
                "spool/store.py",
                "fresh, epochs = self._identities.fresh(events)",
                "fresh, epochs = list(events), []",
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
                "BETWEEN.join(event.body for event in batch.events)",
                "BETWEEN.join(sorted(event.body for event in batch.events))",
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
                "        except (aiohttp.ClientError, OSError) as error:\n",
                "        except ZeroDivisionError as error:\n",
            ),
        ),
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
