"""The oracle detects an exporter that is broken on purpose."""

import pytest

from tests.faults.mutations import MUTATIONS, mutant, run
from tests.faults.oracle import Promise
from tests.faults.rig import a_seed

CHEAP = "every event has a lane of its own"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.name)
def test_every_mutation_applies(mutation, tmp_path):
    """Each mutation applies to the current code and gives valid Python."""
    source = mutant(mutation, tmp_path)

    assert mutation.edits
    for edit in mutation.edits:
        text = (source / "exporter" / edit.file).read_text("utf-8")
        assert compile(text, edit.file, "exec")


def test_every_promise_has_a_mutation():
    """Every promise of the exporter has a mutation."""
    assert {each.breaks for each in MUTATIONS} == set(Promise) - {Promise.MEANT}


async def test_a_mutant_is_caught(tmp_path):
    """The oracle detects events of one instance that are sent in parallel."""
    (mutation,) = (each for each in MUTATIONS if each.name == CHEAP)

    over = await run(mutation, tmp_path, a_seed(), 1)

    assert mutation.breaks.name in over.figures()["violations"]
