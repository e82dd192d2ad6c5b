"""Whatever happens to the exporter, its broker and its backend: nothing is lost."""

from tests.faults import scenarios
from tests.faults.rig import a_seed


async def test_kills_amid_faults(tmp_path):
    """Ten kills under load, and faults on both sides: not one event is lost."""
    run = await scenarios.kills(tmp_path, a_seed(), 10)

    assert not run.verdict()


async def test_outages(tmp_path):
    """A wrong key, a wrong certificate, no TLS, no listener: events arrive later."""
    run = await scenarios.outages(tmp_path, a_seed(), statuses=[401])

    assert not run.verdict()
