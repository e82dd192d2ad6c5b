"""The oracle isn't blind: it sees the exporter fail when it's broken on purpose."""

import pytest

from tests.faults.figures import figures
from tests.faults.mutations import MUTATIONS, mutant, run
from tests.faults.oracle import Promise
from tests.faults.rig import a_seed

CHEAP = "every event has a lane of its own"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.name)
def test_every_mutation_applies(mutation, tmp_path):
    """Each is of the code as it is, and is Python still."""
    source = mutant(mutation, tmp_path)

    for edit in mutation.edits:
        text = (source / "exporter" / edit.file).read_text("utf-8")
        assert compile(text, edit.file, "exec")


def test_every_promise_has_a_mutation():
    """What no mutation breaks isn't known to be watched over."""
    about_the_exporter = set(Promise) - {Promise.MEANT}

    assert {mutation.breaks for mutation in MUTATIONS} == about_the_exporter


async def test_a_mutant_is_caught(tmp_path):
    """Where an instance's events travel side by side, they arrive out of order."""
    (mutation,) = (each for each in MUTATIONS if each.name == CHEAP)

    broken = figures(await run(mutation, tmp_path, a_seed(), 1))["violations"]

    assert mutation.breaks.name in broken
