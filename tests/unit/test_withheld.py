"""An exporter in Optimize mode is detected, and no other one."""

import json

import pytest

from devkit.arguments import exporters
from exporter.broker.environment import broker_environment, withholds
from exporter.events import Mapper, Selection
from exporter.watch import withheld
from exporter.watch.withheld import ENOUGH, Withheld
from tests import recorded
from tests.records import NOON, a_record, line

TASK = {"valueType": "USER_TASK", "brokerVersion": "8.10.0"}
STEP = {"valueType": "PROCESS_INSTANCE", "brokerVersion": "8.10.0"}
ACTIVATING, LATER = "ELEMENT_ACTIVATING", "ELEMENT_COMPLETED"
FILTERED = ("CREATING", "ASSIGNED", "COMPLETED")
USUAL = ["user-task:created"]
LOOKED, SKIPPED = 40, 100
SETTING = "CAMUNDA_DATA_EXPORTERS_APPINTSPOOL_ARGS_INDEX_OPTIMIZEMODEENABLED"


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Look at fewer unselected records than in reality."""
    monkeypatch.setattr(withheld, "LOOKED", LOOKED)
    monkeypatch.setattr(withheld, "SKIPPED", SKIPPED)


class Watched:
    """A detector that sees the records of a mapper."""

    def __init__(self, *selections):
        """Watch for one backend with each of *selections*."""
        wanted = {text: Selection(text) for text in selections}
        self._withheld = Withheld(
            wanted.values(), exporter_id="appintspool", may_withhold=withholds
        )
        self._mapper = Mapper(wanted, observer=self._withheld)

    def sees(self, *intents, count=ENOUGH, tenant="default", **changes):
        """See *intents* of *count* keys, the same keys in each call."""
        for number in range(1, count + 1):
            for intent in intents:
                record = a_record(number, intent=intent, **TASK | changes)
                self.gets(record, tenant=tenant)
        return self

    def gets(self, *records, tenant="default"):
        """See those of *records* that the mapper reads."""
        for record in records:
            if self.reads(record["valueType"].lower().replace("_", "-")):
                self._mapper.event(line(record), tenant)

    def gets_step(self, number, intent, **changes):
        """See a record of a process instance, after the records that are skipped."""
        while not self.reads():
            pass
        record = a_record(number, intent=intent, **STEP | changes)
        self._mapper.event(line(record), "default")

    def reads(self, kind="process-instance"):
        """Whether the mapper reads the next record of *kind*."""
        index = f"zeebe-record_{kind}_8.10.0_2026".encode()
        return self._mapper.tenant_of(index) is not None

    @property
    def report(self):
        """The report, or an empty one."""
        return self._withheld.report() or {"events": [], "physical_tenants": []}

    @property
    def events(self):
        """The withheld events."""
        return self.report["events"]


@pytest.fixture
def watched():
    """Return a detector for user tasks' CREATED."""
    return Watched("user-task:created, user-task:completed")


@pytest.mark.parametrize(
    "selection, intents, changes",
    [
        ("user-task:created", ["CREATING", "ASSIGNED"], {}),
        ("user-task:created", FILTERED, {"brokerVersion": "8.9.0"}),
        ("user-task:created", FILTERED, {"brokerVersion": None}),
        ("user-task:updated", ["CREATING", "COMPLETED"], {}),
        ("process-instance:started", [ACTIVATING, LATER], STEP),
        ("step:activated", [ACTIVATING, LATER], STEP),
        ("job:created", [ACTIVATING, LATER], STEP),
    ],
)
def test_noticed(caplog, selection, intents, changes):
    """Some keys that went on are enough; it is logged once, with a remedy."""
    watched = Watched("incident", selection)

    before = watched.sees(*intents, count=ENOUGH - 1, **changes).events
    after = watched.sees(*intents, count=ENOUGH + 1, **changes).events

    assert (before, after) == ([], [selection])
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.reason.startswith(f"{selection} never arrives")
    assert "APPINTSPOOL is in Optimize mode" in record.reason
    assert f"{SETTING}=false" in record.remedy


@pytest.mark.parametrize(
    "selection, intents, changes",
    [
        ("user-task:completed, user-task:canceled", FILTERED, {}),
        ("incident, variable[a]", FILTERED, {}),
        ("incident, variable[a]", [ACTIVATING, LATER], STEP),
        # A listener's job may delay CREATED, and the task may be canceled then.
        ("user-task:created", ["CREATING", "CANCELING", "CANCELED"], {}),
        ("user-task:created", FILTERED, {"brokerVersion": "8.8.21"}),
        ("user-task:updated", FILTERED, {"recordType": "COMMAND"}),
    ],
)
def test_no_evidence(selection, intents, changes):
    """Nothing is reported that isn't selected, isn't missing or can't be known."""
    assert Watched(selection).sees(*intents, count=200, **changes).events == []


def test_tasks_of_before(watched):
    """The end of a task whose beginning wasn't seen proves nothing."""
    watched.sees("CREATING")

    for number in range(100, 200):
        watched.gets(a_record(number, intent="COMPLETED", **TASK))

    assert watched.events == []


def test_some_process_instances_that_nobody_selects(watched):
    """Skipped records don't count against a broker that sends everything."""
    for number in range(2 * ENOUGH):
        watched.gets_step(number, ACTIVATING)
        watched.gets_step(number, "ELEMENT_ACTIVATED", partitionId=2)
        watched.gets_step(number, LATER)
    sending = watched.events
    for number in range(ENOUGH):
        watched.gets_step(number, ACTIVATING)
        watched.gets_step(number, LATER)
    filtering = watched.events
    watched.gets_step(1, "ELEMENT_ACTIVATED", partitionId=2)

    assert (sending, filtering, watched.events) == ([], USUAL, USUAL)
    assert watched.sees("CREATED", count=1).events == []


def test_process_instances_that_somebody_selects():
    """All selected process instances are read, so a good partition hides no bad one."""
    watched = Watched("step:activated")

    for number in range(ENOUGH):
        for intent in (ACTIVATING, LATER):
            watched.gets(a_record(number, intent=intent, **STEP))
        watched.sees("ELEMENT_ACTIVATED", partitionId=2, **STEP)

    assert watched.events == ["step:activated"]


def test_no_more_than_some_of_them(watched):
    """Without any evidence most of these records are skipped, too."""
    watched.gets(a_record(valueType="PROCESS_INSTANCE"))
    read = [watched.reads() for _ in range(LOOKED + SKIPPED + 1)]

    assert read == LOOKED * [True] + SKIPPED * [False] + [True]


def test_nothing_but_the_first(watched, caplog):
    """Without keys that went on, an hour without CREATED is enough; repeats aren't."""
    watched.sees("CREATING", count=200)
    soon = watched.sees("CREATING", timestamp=NOON + 3_600_000).events
    late = watched.sees("CREATING", timestamp=NOON + 3_600_000 + 2).events
    again = watched.sees("CREATING").events

    assert (soon, late, again) == ([], USUAL, USUAL)
    assert len(caplog.records) == 1


def test_over(watched, caplog):
    """One CREATED ends the report, and a later upgrade is detected again."""
    caplog.set_level("INFO")
    found = [
        watched.sees(*FILTERED).events,
        watched.sees("CREATED", count=1).events,
        watched.sees("COMPLETED").events,
        watched.sees(*FILTERED).events,
    ]

    assert found == [USUAL, [], [], USUAL]
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO", "ERROR"]


def test_each_tenant_and_partition(watched, caplog):
    """A good partition or tenant doesn't hide another one."""
    watched.sees(*FILTERED, partitionId=2).sees(*FILTERED, partitionId=3)
    watched.sees("CREATED", partitionId=3).sees(*FILTERED, tenant="red")
    watched.sees("CREATING", "CREATED", "COMPLETED", tenant="red", partitionId=2)

    tenants = [
        watched.sees("CREATED", **changes).report["physical_tenants"]
        for changes in ({}, {"partitionId": 2})
    ]

    assert tenants == [["default", "red"], ["red"]]
    assert len(caplog.records) == 3  # one for each change of the report
    assert "user-task:created of red never arrives" in caplog.records[-1].reason


@pytest.mark.parametrize("version", recorded.VERSIONS)
@pytest.mark.parametrize(
    "mode, kinds", [("false", []), ("true", ["step:activated", *USUAL])]
)
def test_recorded_engines(caplog, version, mode, kinds):
    """Recorded engines are reported in Optimize mode, and only then."""
    watched = Watched("user-task, step")
    types = [TASK["valueType"], STEP["valueType"]]
    given = broker_environment("8.10.0", "http://a:1", value_types=types)
    ours = exporters(given | {SETTING: mode}, "8.10.0")["appintspool"]
    every = {x["position"]: x for x in map(json.loads, recorded.everything(version))}
    records = (every[each] | {"brokerVersion": "8.10.0"} for each in sorted(every))

    watched.gets(*filter(ours.exports, records))

    reasons = "".join(record.reason for record in caplog.records)
    assert all(kind in reasons for kind in kinds)
    assert bool(reasons) is (mode == "true")
