"""The published schemas describe every event."""

import json
import re

import pytest
from jsonschema import Draft202012Validator

from exporter.events import CATALOG, DEFAULT, EVERYTHING, Event, Mapper, Selection
from exporter.events.formats import FORMATS
from scripts import schemas
from scripts.examples import VERSIONS, recorded
from tests.contract import CONTRACT, EVENT
from tests.records import UNRECORDED, line

KINDS = {each.name_of(kind): (each, kind) for each in CATALOG for kind in each.kinds}
PAGE = schemas.SCHEMAS.parent / "events.md"


FILE = json.loads(schemas.SCHEMAS.read_text("utf-8"))
SCHEMAS = FILE["$defs"]
VALIDATORS = {name: Draft202012Validator(SCHEMAS[name]) for name in KINDS}


def test_file():
    """There is a schema for each kind, and `make docs` keeps the file up to date."""
    assert SCHEMAS.keys() == KINDS.keys()
    assert schemas.SCHEMAS.read_text("utf-8") == schemas.files()[schemas.SCHEMAS]


def test_the_whole_file():
    """The whole file describes an event of any kind."""
    whole = Draft202012Validator(FILE)

    whole.validate(json.loads(EVENT))
    assert not whole.is_valid({"id": "1"})


@pytest.mark.parametrize("name", KINDS)
def test_schemas(name):
    """A schema requires all fields, and its examples are recorded events."""
    schema = SCHEMAS[name]

    Draft202012Validator.check_schema(schema)
    assert schema["required"] == list(schema["properties"])
    unrecorded = {"process-instance.suspended", "process-instance.resumed"}
    assert bool(schema.get("examples")) == (name not in unrecorded)
    for example in schema.get("examples", ()):
        VALIDATORS[name].validate(example | {"inventedLater": {"deeply": [7]}})
        for field in example:
            missing = {each: example[each] for each in example if each != field}
            assert not VALIDATORS[name].is_valid(missing)
            assert not VALIDATORS[name].is_valid(example | {field: None})


@pytest.mark.parametrize("version", VERSIONS)
def test_every_recorded_event(version):
    """A recorded event is valid for the schema of its kind, and for no other."""
    events = recorded(version)
    mapper = Mapper({"": Selection(EVERYTHING)})
    newer = [mapper.event(line(each)) for each in UNRECORDED]

    assert len(events) > 200
    for event in [*events, *newer]:
        body = json.loads(event.body)
        valid = {name for name in KINDS if VALIDATORS[name].is_valid(body)}
        assert valid == {event.kind}


def test_the_contract():
    """The schema of a created user task has the fields of the contract, in order."""
    VALIDATORS["user-task.created"].validate(json.loads(EVENT))

    assert SCHEMAS["user-task.created"]["required"] == [name for name, *_ in CONTRACT]


def test_cloud_events_name_their_schema():
    """A CloudEvent has the id of its schema."""
    event = Event(1, 1, 1, 1, 1, b"{}", "job.failed")

    written = json.loads(FORMATS["cloudevents"].write(event, ""))

    assert written["dataschema"] == f"{FILE['$id']}#{SCHEMAS['job.failed']['$anchor']}"


def test_selections_on_the_page():
    """Every selection on the page is valid, and the default is right."""
    page = PAGE.read_text(encoding="utf-8")
    shown = re.findall(r'_EVENTS="(.*?)"', page)
    shown += re.findall(
        r"^\| `([^`]+)` \| (?!`)", page.partition("## Filter events")[0], re.MULTILINE
    )

    assert len(shown) > 5
    for text in shown:
        assert Selection(text).value_types
    assert f"\n{DEFAULT}\n" in page
