"""Brokers of every version export the selected records, and our ingest takes them."""

import asyncio
import json
from functools import cache

import pytest

from devkit.arguments import exporters
from devkit.backend import Backend
from devkit.engine import Partition, recorded_version
from devkit.exporting import Exporting
from devkit.waiting import ended, eventually
from exporter.broker.environment import broker_environment
from exporter.events import CATALOG, EVERYTHING, Mapper, Selection
from tests import recorded
from tests.configured import configured
from tests.devkit.exporters import ELASTICSEARCH, OPENSEARCH
from tests.records import UNRECORDED, line
from tests.service.running import running

OLD = ("8.6.0", "8.8.21")
VERSIONS = (*OLD, "8.9.0", "8.10.0")
SECRET = {"username": "broker", "password": "only between the two"}
KINDS = [f"{each.name}:{kind.name}" for each in CATALOG for kind in each.kinds]
SELECTIONS = [
    *(f"{x}[*]" if x.startswith(("step", "variable")) else x for x in KINDS),
    EVERYTHING,
]


@cache
def records(version):
    """Return records with their lines; from 8.9 on, those of all recordings."""
    versions = [version] if version in OLD else recorded.VERSIONS
    lines = [each for old in versions for each in recorded.everything(old)]
    found = [*map(json.loads, lines), *([] if version in OLD else UNRECORDED)]
    found = [each | {"brokerVersion": version} for each in found]
    return [(each, line(each)) for each in found]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("selection", SELECTIONS)
def test_what_is_selected_is_exported(version, selection):
    """A broker configured for a selection exports all of its records."""
    selected = Selection(selection)
    mapper = Mapper({"": selected})
    given = broker_environment(version, "http://a:1", value_types=selected.value_types)
    ours = exporters(given, version)["appintspool"]

    wanted = [each for each, text in records(version) if mapper.event(text)]

    types = {each.replace("_", "") for each in selected.value_types}
    assert types <= {
        x.rpartition("_")[2] for x, text in given.items() if text == "true"
    }
    assert wanted or (version in OLD and selection != EVERYTHING)
    assert [each for each in wanted if not ours.exports(each)] == []


async def arrivals(directory, version, log, given, **settings):
    """Export *log* to a service on its port; return the arrivals at its backend."""
    partition = Partition(1)
    partition.log.append(log)
    expected = [each for each in map(mapped(settings), log) if each]
    async with Backend() as backend:
        places = {"url": backend.url, "spool_dir": directory / "spool"}
        own = configured(**places, ingest_port=0, admin_port=0, **settings)
        async with running(own) as ours:
            given = {x: y.replace("://here:1", f"://{ours.ingest}") for x, y in given}
            exporting = Exporting(partition, exporters(given, version), version)
            task = asyncio.create_task(exporting.run())
            last = log[-1]["position"]
            await eventually(lambda: exporting.positions == {"appintspool": last})
            await eventually(lambda: len(backend.arrivals) >= len(expected))
            await ended(task)
    return backend.arrivals, expected


def mapped(settings):
    """Return the function that maps a record for a service with these settings."""
    selection = settings.get("events")
    mapper = Mapper({"": Selection(selection)}) if selection else Mapper()
    return lambda record: mapper.event(line(record))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", [ELASTICSEARCH, OPENSEARCH], ids=["es", "os"])
async def test_every_version(tmp_path, version, kind):
    """Recorded user task events arrive once and in order, from every version."""
    given = broker_environment(version, "http://here:1", **SECRET)
    (start,) = [name.removesuffix("CLASSNAME") for name in given if "CLASS" in name]
    given |= {f"{start}CLASSNAME": kind, f"{start}ARGS_INDEX_CREATETEMPLATE": "true"}
    log = map(json.loads, recorded.user_tasks(recorded_version(version)))
    log = sorted(log, key=lambda record: record["position"])
    secret = {f"ingest_{name}": value for name, value in SECRET.items()}

    came, sent = await arrivals(tmp_path, version, log, given.items(), **secret)

    # A stable sort keeps the order of each task.
    in_order = sorted(came, key=lambda each: each.instance)
    keys = {each.identity: each.instance for each in came}
    assert [x.identity for x in in_order] == sorted(
        (each.identity for each in sent), key=keys.__getitem__
    )
