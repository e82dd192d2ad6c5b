"""A broker's exporter that withholds what is selected is noticed, and no other."""

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
    """What is noticed of the records that a mapper gets."""

    def __init__(self, *selections):
        """Watch for one backend with each of *selections*."""
        self.said = []
        self._withheld = Withheld()
        wanted = {text: Selection(text) for text in selections}
        self._withheld.watch(
            wanted.values(),
            self.said.append,
            exporter_id=exporter_id(),
            may_withhold=withholds,
        )
        self._mapper = Mapper(wanted, watch=self._withheld)

    def sees(self, *intents, count=ENOUGH, tenant="default", **changes):
        """See the lives of *count* keys, or of those of earlier calls."""
        changes = {"brokerVersion": "8.10.0", "valueType": USER_TASK} | changes
        for number in range(1, count + 1):
            for intent in intents:
                self.gets(a_record(number, intent=intent, **changes), tenant=tenant)
        return self

    def gets(self, *records, tenant="default"):
        """See those of *records* that are looked at."""
        for record in records:
            kind = record["valueType"].lower().replace("_", "-")
            if self._mapper.tenant_of(f"zeebe-record_{kind}_8.10.0_2026".encode()):
                self._mapper.event(line(record), tenant)
        return self

    def skip(self, count):
        """Tell whether the last of so many process instances would be looked at."""
        index = b"zeebe-record_process-instance_8.10.0_2026"
        return [self._mapper.tenant_of(index) for _ in range(count)][-1] is not None

    @property
    def events(self):
        """What is withheld now."""
        return (self._withheld.report() or {"events": []})["events"]

    @property
    def tenants(self):
        """Whose events are."""
        return (self._withheld.report() or {"physical_tenants": []})["physical_tenants"]


@pytest.fixture
def watched():
    """Return what is noticed where user tasks' CREATED is selected."""
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
    """Some keys that went on suffice; it is said once, with the way out."""
    value_type = USER_TASK if intents[0] == "CREATING" else PROCESS_INSTANCE
    watched = Watched("incident", selection)

    before = watched.sees(*intents, valueType=value_type, count=ENOUGH - 1).events
    after = watched.sees(*intents, valueType=value_type, count=ENOUGH + 1).events

    assert (before, after) == ([], [selection])
    (told,) = watched.said
    assert told["reason"] == (
        f"{selection} never arrives: the broker's exporter APPINTSPOOL is in Optimize "
        "mode"
    )
    setting = "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_OPTIMIZEMODEENABLED=false"
    assert setting in told["remedy"]


@pytest.mark.parametrize(
    "selection",
    ["user-task:completed, user-task:canceled", "incident", "variable[a]"],
)
def test_nothing_selected_is_missing(selection):
    """What nobody selects, or what is sent all the same, isn't missed."""
    watched = Watched(selection).sees(*FILTERED)

    assert watched.sees(ACTIVATING, LATER, valueType=PROCESS_INSTANCE).events == []


def test_process_instances_that_nobody_selects():
    """Optimize mode sends these as well, so it shows when the first elements end."""
    watched = Watched("user-task:created, job:created")

    watched.sees("CREATING").sees(ACTIVATING, LATER, valueType=PROCESS_INSTANCE)

    assert watched.events == ["job:created", "user-task:created"]


def test_some_process_instances_that_nobody_selects(watched):
    """What isn't looked at meanwhile is no reason to accuse a broker that sends all."""

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
    """All of these are looked at: another partition that is all right hides none."""
    watched = Watched("step:activated")
    ours = {"valueType": PROCESS_INSTANCE, "brokerVersion": "8.10.0"}

    for number in range(ENOUGH):
        for intent in (ACTIVATING, LATER):
            watched.gets(a_record(number, intent=intent, **ours))
        watched.sees("ELEMENT_ACTIVATED", valueType=PROCESS_INSTANCE, partitionId=2)

    assert watched.events == ["step:activated"]


def test_tasks_of_before(watched):
    """The end of a task whose beginning nobody saw proves nothing."""
    watched.sees("CREATING")

    for number in range(100, 200):
        watched.gets(a_record(number, intent="COMPLETED", brokerVersion="8.10.0"))

    assert watched.events == []


def test_no_more_than_some_of_them(watched):
    """Where nothing ever shows, most of these records aren't read all the same."""
    assert [watched.skip(1) for _ in range(LOOKED + SKIPPED)].count(True) == LOOKED
    assert watched.skip(1)


def test_listeners(watched):
    """Tasks that wait for a listener's job, or are canceled then, prove nothing."""
    assert watched.sees("CREATING", "CANCELING", "CANCELED", count=200).events == []


def test_nothing_but_the_first(watched):
    """Without a proof it takes an hour in which tasks begin and none is created."""
    watched.sees("CREATING", count=200)
    soon = watched.sees("CREATING", timestamp=NOON + LONG_MS).events
    late = watched.sees("CREATING", timestamp=NOON + LONG_MS + 2).events

    assert (soon, late) == ([], USUAL)


def test_over(watched):
    """One CREATED ends it, whatever comes again; and a later upgrade is noticed."""
    assert watched.sees(*FILTERED).events == USUAL
    assert watched.sees("CREATED", count=1).events == []
    assert watched.sees("COMPLETED").events == []
    assert watched.sees(*FILTERED).events == USUAL
    assert [bool(told) for told in watched.said] == [True, False, True]


def test_repeats(watched):
    """Records that come again, older than others, change nothing."""
    watched.sees("CREATING").sees("CREATING", timestamp=NOON + 2 * LONG_MS)

    assert watched.sees("CREATING").events == USUAL
    assert len(watched.said) == 1


def test_each_tenant_and_partition(watched):
    """A partition or a tenant that is all right doesn't hide another one."""
    watched.sees(*FILTERED, partitionId=2).sees(*FILTERED, tenant="red")
    watched.sees("CREATING", "CREATED", "COMPLETED", tenant="red", partitionId=2)

    assert watched.sees("CREATED").tenants == ["default", "red"]
    assert watched.sees("CREATED", partitionId=2).tenants == ["red"]
    assert "user-task:created of red never arrives" in watched.said[-1]["reason"]


@pytest.mark.parametrize(
    "version, events", [("8.8.21", []), ("8.9.0", USUAL), (None, USUAL)]
)
def test_versions(watched, version, events):
    """A broker that has no Optimize mode isn't accused of it."""
    assert watched.sees(*FILTERED, brokerVersion=version).events == events


@pytest.mark.parametrize(
    "changes",
    [{"recordType": "COMMAND"}, {"key": None}, {"timestamp": ""}, {"partitionId": 1.5}],
)
def test_other_records(changes):
    """A record that is no event, or can't be read, is nothing to go by."""
    watched = Watched("user-task:updated")

    assert watched.sees(*FILTERED, **changes).events == []


@pytest.mark.parametrize("version", recorded.VERSIONS)
@pytest.mark.parametrize(
    "mode, kinds",
    [("false", set()), ("true", {"step:activated", "user-task:created"})],
)
def test_recorded_engines(version, mode, kinds):
    """Engines as they were recorded are never accused; in Optimize mode, each is."""
    watched = Watched("user-task, step")
    types = [USER_TASK, PROCESS_INSTANCE]
    given = broker_environment("8.10.0", "http://a:1", value_types=types)
    name = "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_OPTIMIZEMODEENABLED"
    ours = exporters(given | {name: mode}, "8.10.0")["appintspool"]
    every = {x["position"]: x for x in map(json.loads, recorded.everything(version))}
    records = (every[each] | {"brokerVersion": "8.10.0"} for each in sorted(every))

    watched.gets(*filter(ours.exports, records))

    said = [event for told in watched.said if told for event in told["events"]]
    assert kinds & {*said} == kinds
    assert bool(said) is (mode == "true")
