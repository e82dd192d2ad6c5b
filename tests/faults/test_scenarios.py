"""No event is lost, whatever happens to exporter, broker and backend."""

from tests.faults import scenarios
from tests.faults.rig import a_seed


async def test_kills_amid_faults(tmp_path):
    """Ten kills under load with faults on both sides lose no event."""
    run = await scenarios.kills(tmp_path, a_seed(), 10)

    assert not run.report()


async def test_outages(tmp_path):
    """After a wrong key, a wrong certificate or an outage, all events arrive later."""
    run = await scenarios.outages(tmp_path, a_seed(), statuses=[401])

    assert not run.report()
