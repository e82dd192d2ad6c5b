"""The ingest port accepts the exporters of every version."""

import asyncio
import json

import pytest

from devkit.arguments import exporters
from devkit.backend import Backend
from devkit.engine import Partition, recorded_version
from devkit.exporting import Exporting
from devkit.waiting import eventually
from exporter.broker.environment import broker_environment
from tests import recorded
from tests.configured import configured
from tests.devkit.exporters import ELASTICSEARCH, OPENSEARCH
from tests.service.running import running

SECRET = {"username": "broker", "password": "only between the two"}


def partition_of(version):
    """Return a partition with the recorded user tasks."""
    records = [*map(json.loads, recorded.user_tasks(recorded_version(version)))]
    partition = Partition(1)
    partition.log.append(sorted(records, key=lambda record: record["position"]))
    return partition


@pytest.mark.parametrize("version", ["8.6.0", "8.8.21", "8.9.0", "8.10.0"])
@pytest.mark.parametrize("kind", [ELASTICSEARCH, OPENSEARCH], ids=["es", "os"])
async def test_every_version(tmp_path, version, kind):
    """Recorded user task events arrive once and in order, from every version."""
    partition = partition_of(version)
    async with Backend() as backend:
        settings = configured(
            url=backend.url,
            spool_dir=tmp_path / "spool",
            ingest_port=0,
            admin_port=0,
            **{f"ingest_{name}": value for name, value in SECRET.items()},
        )
        async with running(settings) as ours:
            given = broker_environment(version, f"http://{ours.ingest}", **SECRET)
            (start,) = [x.removesuffix("CLASSNAME") for x in given if "CLASS" in x]
            given[f"{start}CLASSNAME"] = kind
            given[f"{start}ARGS_INDEX_CREATETEMPLATE"] = "true"
            exporting = Exporting(partition, exporters(given, version), version)
            task = asyncio.create_task(exporting.run())
            last = partition.log.records[-1]["position"]
            await eventually(lambda: exporting.positions == {"appintspool": last})
            sent = [
                (record["key"], record["position"])
                for record in partition.log.records
                if record["intent"] in recorded.SENT and record["recordType"] == "EVENT"
            ]
            await eventually(lambda: len(backend.arrivals) == len(sent))
            task.cancel()
            await asyncio.wait([task])

    # A stable sort keeps the order of each task.
    came = [(int(each.task), each.position) for each in backend.arrivals]
    assert sorted(came, key=lambda pair: pair[0]) == sorted(sent)
