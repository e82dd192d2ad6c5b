"""A backend that is away, or a setup that is wrong, holds events up and no more."""

from tests.faults import scenarios
from tests.faults.rig import a_seed


async def test_outages(tmp_path):
    """A wrong key, a wrong certificate, no TLS, nobody there: all arrives after."""
    run = await scenarios.outages(tmp_path, a_seed(), statuses=[401])

    assert not run.verdict()
