"""What the exporters of every version send is what our ingest port takes."""

import asyncio
import json

import pytest

from devkit.arguments import exporters
from devkit.backend import Backend
from devkit.engine import Partition, recorded_version
from devkit.exporting import Exporting
from devkit.stories import RECORDINGS
from devkit.waiting import eventually
from exporter.distribution.broker_environment import broker_environment
from tests.configured import configured
from tests.devkit.exporters import ELASTICSEARCH, OPENSEARCH
from tests.service.running import running

SENT = {"CREATED", "ASSIGNED", "COMPLETED", "CANCELED"}
SECRET = {"username": "broker", "password": "only between the two"}


def recorded(version):
    """Return the recorded user tasks, in the order of their log."""
    path = RECORDINGS / recorded_version(version) / "user-task.jsonl"
    records = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    return sorted(records, key=lambda record: record["position"])


def variables(version, kind, url):
    """Return our own variables, for either class of exporter and with templates."""
    given = broker_environment(version, url, **SECRET)
    (start,) = [name.removesuffix("CLASSNAME") for name in given if "CLASS" in name]
    return given | {
        f"{start}CLASSNAME": kind,
        f"{start}ARGS_INDEX_CREATETEMPLATE": "true",
    }


@pytest.mark.parametrize("version", ["8.6.0", "8.8.21", "8.9.0", "8.10.0"])
@pytest.mark.parametrize("kind", [ELASTICSEARCH, OPENSEARCH], ids=["es", "os"])
async def test_every_version(tmp_path, version, kind):
    """Every recorded event of a user task arrives once, in order, from any version."""
    partition = Partition(1)
    partition.log.append(recorded(version))
    partition.log.commit()
    async with Backend() as backend:
        settings = configured(
            url=backend.url,
            spool_dir=tmp_path / "spool",
            ingest_port=0,
            admin_port=0,
            ingest_username=SECRET["username"],
            ingest_password=SECRET["password"],
        )
        async with running(settings) as ours:
            given = variables(version, kind, f"http://{ours.ingest}")
            exporting = Exporting(partition, exporters(given, version), version)
            task = asyncio.create_task(exporting.run())
            last = partition.log.records[-1]["position"]
            await eventually(lambda: exporting.positions == {"appintspool": last})
            expected = [
                record["position"]
                for record in partition.log.records
                if record["intent"] in SENT and record["recordType"] == "EVENT"
            ]
            await eventually(lambda: len(backend.positions) == len(expected))
            task.cancel()
            await asyncio.wait([task])

    by_task = {
        key: [each["position"] for each in partition.log.records if each["key"] == key]
        for key in {record["key"] for record in partition.log.records}
    }
    assert sorted(backend.positions) == expected
    for positions in by_task.values():
        came = [each for each in backend.positions if each in positions]
        assert came == sorted(came)
