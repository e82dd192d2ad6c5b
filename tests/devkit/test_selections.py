"""Brokers export every selected record, also in Optimize mode."""

import asyncio
import json
from functools import cache

import pytest

from devkit.arguments import exporters
from devkit.backend import Backend
from devkit.engine import Partition
from devkit.exporting import Exporting
from devkit.waiting import eventually
from exporter.broker.environment import broker_environment
from exporter.events import CATALOG, EVERYTHING, Mapper, Selection
from tests import recorded
from tests.configured import configured
from tests.records import UNRECORDED, line
from tests.service.running import running

VERSIONS = ("8.9.0", "8.10.0")
KINDS = [f"{each.name}:{kind.name}" for each in CATALOG for kind in each.kinds]


@cache
def records(version):
    """Return all recorded records as records of *version*."""
    lines = [each for old in recorded.VERSIONS for each in recorded.everything(old)]
    found = [*map(json.loads, lines), *UNRECORDED]
    found = [each | {"brokerVersion": version} for each in found]
    return [(each, line(each)) for each in found]


def bracketed(kind):
    """Return the selection of all events of one *kind*."""
    return f"{kind}[*]" if kind.startswith(("step", "variable")) else kind


def sorted_out(version, selection, written):
    """Return the selected records of *written*, and the ones that aren't exported."""
    selected = Selection(selection)
    mapper = Mapper({"": selected})
    given = broker_environment(version, "http://a:1", value_types=selected.value_types)
    ours = exporters(given, version)["appintspool"]
    wanted = [each for each, text in written if mapper.event(text)]
    return wanted, [each for each in wanted if not ours.exports(each)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("selection", [*map(bracketed, KINDS), EVERYTHING])
def test_what_is_selected_is_exported(version, selection):
    """A broker configured for a selection exports all of its records."""
    wanted, kept_back = sorted_out(version, selection, records(version))

    assert wanted
    assert kept_back == []


@pytest.mark.parametrize("version", ["8.6.0", "8.8.21"])
@pytest.mark.parametrize("selection", [*map(bracketed, KINDS), EVERYTHING])
def test_what_older_brokers_wrote_is_exported(version, selection):
    """An older broker configured for a selection exports all of its records."""
    written = [(json.loads(text), text) for text in recorded.everything(version)]

    wanted, kept_back = sorted_out(version, selection, written)

    assert wanted or selection != EVERYTHING
    assert kept_back == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_wanted_flag_is_explicit(version, kind):
    """The variables set wanted flags explicitly, whatever the defaults are."""
    (value_type,) = Selection(bracketed(kind)).value_types

    given = broker_environment(version, "http://a:1", value_types=[value_type])

    start = "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_"
    assert given[start + value_type.replace("_", "")] == "true"
    assert given[f"{start}JOB"] == ("true" if value_type == "JOB" else "false")
    assert given[f"{start}OPTIMIZEMODEENABLED"] == "false"


@pytest.mark.parametrize("version", VERSIONS)
async def test_everything_arrives(tmp_path, version):
    """If everything is selected, each recorded event reaches the backend."""
    every = {x["position"]: x for x in map(json.loads, recorded.everything("8.9.0"))}
    log = [every[each] | {"brokerVersion": version} for each in sorted(every)]
    partition = Partition(1)
    partition.log.append(log)
    mapper = Mapper({"": Selection(EVERYTHING)})
    events = [x for each in log if (x := mapper.event(line(each)))]
    async with Backend() as backend:
        settings = configured(
            url=backend.url,
            events=EVERYTHING,
            spool_dir=tmp_path / "spool",
            ingest_port=0,
            admin_port=0,
        )
        async with running(settings) as ours:
            given = broker_environment(
                version,
                f"http://{ours.ingest}",
                bulk_size=100,
                value_types=Selection(EVERYTHING).value_types,
            )
            exporting = Exporting(partition, exporters(given, version), version)
            task = asyncio.create_task(exporting.run())
            await eventually(lambda: len(backend.arrivals) >= len(events))
            task.cancel()
            await asyncio.wait([task])

    arrived = sorted(each.position for each in backend.arrivals)
    assert arrived == [each.position for each in events]
