"""An exporter in Optimize mode is detected, and no other one."""

import json

import pytest

from devkit.arguments import exporters
from exporter.broker.environment import broker_environment, withholds
from exporter.broker.takeover import exporter_id
from exporter.events import Mapper, Selection
from exporter.watch.withheld import ENOUGH, LONG_MS, LOOKED, SKIPPED, Withheld
from tests import recorded
from tests.records import NOON, a_record, line

USER_TASK, PROCESS_INSTANCE = "USER_TASK", "PROCESS_INSTANCE"
FILTERED = ("CREATING", "ASSIGNED", "COMPLETED")
USUAL = ["user-task:created"]


class Watched:
    """A detector that sees the records of a mapper."""

    def __init__(self, *selections):
        """Watch for one backend with each of *selections*."""
        self.reports = []
        self._withheld = Withheld()
        wanted = {text: Selection(text) for text in selections}
        self._withheld.watch(
            wanted.values(),
            self.reports.append,
            exporter_id=exporter_id(),
            may_withhold=withholds,
        )
        self._mapper = Mapper(wanted, observer=self._withheld)

    def sees(self, *intents, count=ENOUGH, tenant="default", **changes):
        """See *intents* of *count* keys, the same keys in each call."""
        changes = {"brokerVersion": "8.10.0", "valueType": USER_TASK} | changes
        for number in range(1, count + 1):
            for intent in intents:
                self.gets(a_record(number, intent=intent, **changes), tenant=tenant)
        return self

    def gets(self, *records, tenant="default"):
        """See those of *records* that the mapper reads."""
        for record in records:
            kind = record["valueType"].lower().replace("_", "-")
            if self._mapper.tenant_of(f"zeebe-record_{kind}_8.10.0_2026".encode()):
                self._mapper.event(line(record), tenant)
        return self

    def skip(self, count):
        """Return whether the last of *count* process instances would be read."""
        index = b"zeebe-record_process-instance_8.10.0_2026"
        return [self._mapper.tenant_of(index) for _ in range(count)][-1] is not None

    @property
    def events(self):
        """The withheld events."""
        return (self._withheld.report() or {"events": []})["events"]

    @property
    def tenants(self):
        """The tenants whose events are withheld."""
        return (self._withheld.report() or {"physical_tenants": []})["physical_tenants"]


@pytest.fixture
def watched():
    """Return a detector for user tasks' CREATED."""
    return Watched("user-task:created, user-task:completed")


ACTIVATING, LATER = "ELEMENT_ACTIVATING", "ELEMENT_COMPLETED"


@pytest.mark.parametrize(
    "selection, intents",
    [
        ("user-task:created", ["CREATING", "ASSIGNED"]),
        ("user-task:updated", ["CREATING", "COMPLETED"]),
        ("process-instance:started", [ACTIVATING, LATER]),
        ("step:activated", [ACTIVATING, LATER]),
    ],
)
def test_noticed(selection, intents):
    """Some keys that went on are enough; the change is reported once, with a remedy."""
    value_type = USER_TASK if intents[0] == "CREATING" else PROCESS_INSTANCE
    watched = Watched("incident", selection)

    before = watched.sees(*intents, valueType=value_type, count=ENOUGH - 1).events
    after = watched.sees(*intents, valueType=value_type, count=ENOUGH + 1).events

    assert (before, after) == ([], [selection])
    (report,) = watched.reports
    assert report["reason"] == (
        f"{selection} never arrives: the broker's exporter APPINTSPOOL is in Optimize "
        "mode"
    )
    setting = "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_OPTIMIZEMODEENABLED=false"
    assert setting in report["remedy"]


@pytest.mark.parametrize(
    "selection",
    ["user-task:completed, user-task:canceled", "incident", "variable[a]"],
)
def test_nothing_selected_is_missing(selection):
    """Events that aren't selected, or are sent in Optimize mode, aren't missed."""
    watched = Watched(selection).sees(*FILTERED)

    assert watched.sees(ACTIVATING, LATER, valueType=PROCESS_INSTANCE).events == []


def test_process_instances_that_nobody_selects():
    """Unselected process instances show Optimize mode when the first elements end."""
    watched = Watched("user-task:created, job:created")

    watched.sees("CREATING").sees(ACTIVATING, LATER, valueType=PROCESS_INSTANCE)

    assert watched.events == ["job:created", "user-task:created"]


def test_some_process_instances_that_nobody_selects(watched):
    """Skipped records are no evidence against a broker that sends everything."""

    def instance(number, intent, **changes):
        while not watched.skip(1):
            pass  # until some are looked at again
        changes |= {"valueType": PROCESS_INSTANCE, "brokerVersion": "8.10.0"}
        watched.gets(a_record(number, intent=intent, **changes))

    for number in range(2 * ENOUGH):
        instance(number, ACTIVATING)
        instance(number, "ELEMENT_ACTIVATED", partitionId=2)
        instance(number, LATER)
    assert watched.events == []

    for number in range(ENOUGH):
        instance(number, ACTIVATING)
        instance(number, LATER)
    assert watched.events == USUAL

    instance(1, "ELEMENT_ACTIVATED", partitionId=2)
    assert watched.events == USUAL
    assert watched.sees("CREATED", count=1).events == []


def test_process_instances_that_somebody_selects():
    """All selected process instances are read, so a good partition hides no bad one."""
    watched = Watched("step:activated")
    ours = {"valueType": PROCESS_INSTANCE, "brokerVersion": "8.10.0"}

    for number in range(ENOUGH):
        for intent in (ACTIVATING, LATER):
            watched.gets(a_record(number, intent=intent, **ours))
        watched.sees("ELEMENT_ACTIVATED", valueType=PROCESS_INSTANCE, partitionId=2)

    assert watched.events == ["step:activated"]


def test_tasks_of_before(watched):
    """The end of a task whose beginning wasn't seen is no evidence."""
    watched.sees("CREATING")

    for number in range(100, 200):
        watched.gets(a_record(number, intent="COMPLETED", brokerVersion="8.10.0"))

    assert watched.events == []


def test_no_more_than_some_of_them(watched):
    """Without any evidence most of these records are skipped, too."""
    watched.gets(a_record(valueType="PROCESS_INSTANCE"))
    assert [watched.skip(1) for _ in range(LOOKED + SKIPPED)].count(True) == LOOKED
    assert watched.skip(1)


def test_listeners(watched):
    """Tasks that wait for a listener's job, or are canceled then, are no evidence."""
    assert watched.sees("CREATING", "CANCELING", "CANCELED", count=200).events == []


def test_nothing_but_the_first(watched):
    """Without keys that went on, an hour without CREATED is enough."""
    watched.sees("CREATING", count=200)
    soon = watched.sees("CREATING", timestamp=NOON + LONG_MS).events
    late = watched.sees("CREATING", timestamp=NOON + LONG_MS + 2).events

    assert (soon, late) == ([], USUAL)


def test_over(watched):
    """One CREATED ends the report, and a later upgrade is detected again."""
    assert watched.sees(*FILTERED).events == USUAL
    assert watched.sees("CREATED", count=1).events == []
    assert watched.sees("COMPLETED").events == []
    assert watched.sees(*FILTERED).events == USUAL
    assert [bool(report) for report in watched.reports] == [True, False, True]


def test_repeats(watched):
    """Repeated older records change nothing."""
    watched.sees("CREATING").sees("CREATING", timestamp=NOON + 2 * LONG_MS)

    assert watched.sees("CREATING").events == USUAL
    assert len(watched.reports) == 1


def test_each_tenant_and_partition(watched):
    """A good partition or tenant doesn't hide another one."""
    watched.sees(*FILTERED, partitionId=2).sees(*FILTERED, tenant="red")
    watched.sees("CREATING", "CREATED", "COMPLETED", tenant="red", partitionId=2)

    assert watched.sees("CREATED").tenants == ["default", "red"]
    assert watched.sees("CREATED", partitionId=2).tenants == ["red"]
    assert "user-task:created of red never arrives" in watched.reports[-1]["reason"]


@pytest.mark.parametrize(
    "version, events", [("8.8.21", []), ("8.9.0", USUAL), (None, USUAL)]
)
def test_versions(watched, version, events):
    """A broker version without Optimize mode is never reported."""
    assert watched.sees(*FILTERED, brokerVersion=version).events == events


@pytest.mark.parametrize(
    "changes",
    [{"recordType": "COMMAND"}, {"key": None}, {"timestamp": ""}, {"partitionId": 1.5}],
)
def test_other_records(changes):
    """Records that aren't events, or can't be read, are ignored."""
    watched = Watched("user-task:updated")

    assert watched.sees(*FILTERED, **changes).events == []


@pytest.mark.parametrize("version", recorded.VERSIONS)
@pytest.mark.parametrize(
    "mode, kinds",
    [("false", set()), ("true", {"step:activated", "user-task:created"})],
)
def test_recorded_engines(version, mode, kinds):
    """Recorded engines are never reported, and all of them are in Optimize mode."""
    watched = Watched("user-task, step")
    types = [USER_TASK, PROCESS_INSTANCE]
    given = broker_environment("8.10.0", "http://a:1", value_types=types)
    name = "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_OPTIMIZEMODEENABLED"
    ours = exporters(given | {name: mode}, "8.10.0")["appintspool"]
    every = {x["position"]: x for x in map(json.loads, recorded.everything(version))}
    records = (every[each] | {"brokerVersion": "8.10.0"} for each in sorted(every))

    watched.gets(*filter(ours.exports, records))

    reports = [
        event for report in watched.reports if report for event in report["events"]
    ]
    assert kinds & {*reports} == kinds
    assert bool(reports) is (mode == "true")
