"""The recorded engine plays the recorded records with new keys and times."""

import pytest

from devkit.commands import Commands
from devkit.engine import Engine, RefusedError
from devkit.stories import RECORDINGS, VERSIONS, CannotStartError, is_key

NOON = 1_795_435_200_000
MOVED = {"position", "sourceRecordPosition", "timestamp", "creationTimestamp"}
MOVED |= {"deadline", "dueDate", "recurringTime", "sequence"}


class Played:
    """An engine without exporters, with a clock that the test moves."""

    def __init__(self, version, **more):
        """Deploy everything."""
        self.now = NOON
        self.engine = Engine(version, now_ms=lambda: self.now, **more)
        self.commands = Commands(self.engine)
        for files in self.engine.recording.deployments.values():
            self.commands.deploy(files)

    def events(self, value_type="USER_TASK"):
        """Return the events of a type, oldest first, of all partitions."""
        return [
            record
            for partition in self.engine.partitions.values()
            for record in partition.log.records
            if (record["recordType"], record["valueType"]) == ("EVENT", value_type)
        ]

    def task(self):
        """Return the key of the newest user task."""
        return self.events()[-1]["key"]

    def life(self):
        """Return intent and assignee of all events of user tasks."""
        return [(each["intent"], each["value"]["assignee"]) for each in self.events()]


@pytest.fixture(params=VERSIONS)
def played(request):
    """Return an engine of each recorded version."""
    return Played(request.param)


def differences(recorded, now, keys, name=""):
    """Yield the differences, except in positions and times; collect the new *keys*."""
    if isinstance(recorded, dict):
        assert list(recorded) == list(now)
        for each in recorded:
            yield from differences(recorded[each], now[each], keys, each)
    elif isinstance(recorded, list):
        for before, after in zip(recorded, now, strict=True):
            yield from differences(before, after, keys, name)
    elif name in MOVED:
        return
    elif all(str(x).isdecimal() and is_key(int(x)) for x in (recorded, now)):
        if keys.setdefault(int(recorded), int(now)) != int(now):
            yield name, recorded, now
    elif recorded != now:
        yield name, recorded, now


def test_every_story(played):
    """A replayed story equals the recording; each key becomes a key of its own."""
    engine = played.engine
    (partition,) = engine.partitions.values()
    instance, keys = None, {}
    stories = [x for x in engine.recording.parts if x.verb not in ("deploy", "start")]
    for part in stories:
        if part.before and not instance:
            continue  # its beginning wasn't recorded
        before = len(partition.log.records)
        assert not part.before or instance.fits(part)
        keys = keys if part.before else {}
        instance = engine.play(partition, part, instance if part.before else None, {})
        records = partition.log.records[before:]
        for recorded, now in zip(part.records, records, strict=True):
            assert list(differences(recorded, now, keys)) == []
        assert len(set(keys.values())) == len(keys)
        if not instance.opened:
            instance = None


def test_gaps(played):
    """Positions keep the recorded distances, and source positions move with them."""
    instance = played.commands.create("fx-ext", {})
    played.commands.command("complete", played.task(), {})

    (partition,) = played.engine.partitions.values()
    positions = [each["position"] for each in partition.log.records]
    assert positions == sorted(set(positions))
    assert len(positions) < positions[-1]
    assert {each["timestamp"] // 60_000 for each in partition.log.records} == {
        NOON // 60_000
    }
    assert not instance.opened
    (completed,) = [x for x in played.events() if x["intent"] == "COMPLETED"]
    assert 0 < completed["sourceRecordPosition"] < completed["position"]


def test_the_life_of_a_task(played):
    """A task accepts commands in any recorded order."""
    played.commands.create("fx-ext", {"tenantId": "acme"})
    task = played.task()
    assigned = {"changes": {"assignee": "zoë"}}
    verb = "assign" if played.engine.version < "8.8" else "claim"  # as recorded
    played.commands.command(verb, task, assigned)
    played.commands.command("complete", task, {"action": "done"})

    life = [each for each in played.life() if each[0] in ("CREATED", "COMPLETED")]
    assert life == [("CREATED", ""), ("COMPLETED", "zoë")]
    completed = played.events()[-1]["value"]
    assert (completed["action"], completed["tenantId"]) == ("done", "acme")
    assert {each["key"] for each in played.events()} == {task}
    assert len({each["value"]["creationTimestamp"] for each in played.events()}) == 1


def test_variables(played):
    """Variables have the values of the command, wherever they appear."""
    played.commands.create("fx-invoice", {"variables": {"assignee": "zoë"}})
    (last,) = [x for x in played.events("VARIABLE") if x["value"]["name"] == "assignee"]

    assert last["value"]["value"] == '"zoë"'
    assert played.events()[0]["value"]["assignee"] == "zoë"


@pytest.mark.parametrize(
    "verb, body, word",
    [
        ("migrate", {}, "complete extForm"),
        ("complete", {"variables": {"unheard": 1}}, "(assign|claim) extForm"),
    ],
)
def test_refusals(played, verb, body, word):
    """A command that wasn't recorded is refused with the recorded ones."""
    played.commands.create("fx-ext", {})
    task = played.task()
    before = len(played.events())

    with pytest.raises(RefusedError, match=word):
        played.commands.command(verb, task, body)
    assert len(played.events()) == before


def test_changed_files(played):
    """A changed model under a recorded name is refused."""
    with pytest.raises(RefusedError, match="recorded files"):
        played.commands.deploy({"ext.bpmn": b"<another/>"})


def test_unknown_keys(played):
    """Commands for an unknown or ended key are refused."""
    played.commands.create("fx-ext", {})
    task = played.task()
    played.commands.command("complete", task, {})

    for key in (task, 1 << 51):
        with pytest.raises(RefusedError) as refused:
            played.commands.command("complete", key, {})
        assert refused.value.status == 404


def test_partitions():
    """Instances are spread over the partitions, and keys hold the partition."""
    played = Played("8.9.0", partitions=3)
    keys = [played.commands.create("fx-ext", {}).key for _ in range(6)]

    assert [key >> 51 for key in keys] == [1, 2, 3, 1, 2, 3]
    assert {each["partitionId"] for each in played.events()} == {1, 2, 3}


def test_timers():
    """A timer is played when it is due, and not before."""
    played = Played("8.6.0")
    played.commands.create("fx-timer", {})
    due = [each["value"]["dueDate"] for each in played.events("TIMER")]
    played.now = min(due) - 1
    played.engine.tick()
    assert [each["intent"] for each in played.events("TIMER")] == ["CREATED"] * 2
    played.now = max(due)
    played.engine.tick()

    assert [x["intent"] for x in played.events("TIMER")][2:] == ["TRIGGERED"] * 2
    assert played.life()[-1][0] == "CANCELED"
    assert {each["value"]["dueDate"] for each in played.events("TIMER")} == set(due)


def test_jobs():
    """A worker gets a job once; after a failure or timeout, it is available again."""
    played = Played("8.6.0")
    played.commands.create("fx-invoice", {})
    played.commands.command("complete", played.task(), {})
    (job,) = played.commands.activate("book-invoice", 9, 1000)
    assert played.commands.activate("book-invoice", 9, 1000) == []
    with pytest.raises(RefusedError, match="no such 'fail job'"):
        played.commands.command("fail job", job["key"], {"retries": 0})
    played.commands.command("fail job", job["key"], {"retries": 1})
    assert played.commands.activate("another", 9, 1000) == []
    assert len(played.commands.activate("book-invoice", 9, 1000)) == 1
    played.now += 1000
    played.engine.tick()
    (again,) = played.commands.activate("book-invoice", 9, 1000)
    played.commands.command("complete job", job["key"], {})

    assert again["key"] == job["key"]
    intents = ["CREATED", "FAILED", "TIMED_OUT", "COMPLETED"]
    assert [each["intent"] for each in played.events("JOB")] == intents
    assert len(played.events("JOB_BATCH")) == 3


def test_messages_and_signals():
    """A message reaches the waiting instance; a start message creates one."""
    played = Played("8.6.0")
    waiting = played.commands.create("fx-msg", {})
    assert not played.commands.publish(
        "message", "payment", {"correlationKey": "another"}
    )
    assert played.commands.publish("message", "payment", {}) == [waiting]
    (started,) = played.commands.publish("message", "new-order", {})
    played.now += 60_000
    played.engine.tick()
    assert played.commands.publish("signal", "release", {}) == [waiting]

    assert started is not waiting
    assert not waiting.opened


def test_unknown_versions(tmp_path):
    """A version or a directory without recordings is refused."""
    with pytest.raises(CannotStartError, match=r"8\.6, 8\.8, 8\.9 or 8\.10"):
        Engine("8.7.0", now_ms=lambda: NOON)
    with pytest.raises(CannotStartError, match="no recording in"):
        Engine("8.7.0", recordings=tmp_path, now_ms=lambda: NOON)


def test_other_recordings(tmp_path):
    """A directory of records is played as the version that the user sets."""
    for path in (RECORDINGS / "8.6.0").iterdir():
        text = path.read_text("utf-8").replace('"8.6.0"', '"8.7.26"')
        (tmp_path / path.name).write_text(text, "utf-8")
    played = Played("8.7.26", recordings=tmp_path)
    played.commands.create("fx-ext", {})

    assert played.engine.recording.version == "8.7.26"
    assert {each["brokerVersion"] for each in played.events()} == {"8.7.26"}


@pytest.mark.parametrize("damage", ['{"position":1,', '{"intent":"CREATED"}', "7"])
def test_damaged_recordings(tmp_path, damage):
    """A line that isn't a record is an error that names the file."""
    (tmp_path / "job.jsonl").write_text(f"{damage}\n", "utf-8")

    with pytest.raises(CannotStartError, match=r"job\.jsonl has a line without"):
        Engine("8.9.0", recordings=tmp_path, now_ms=lambda: NOON)
