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
WRONG = {"string": 7, "integer": "7", "boolean": "no", "array": {}, "object": []}


SCHEMAS = {
    name: json.loads((schemas.SCHEMAS / f"{name}.json").read_text("utf-8"))
    for name in KINDS
}
VALIDATORS = {name: Draft202012Validator(SCHEMAS[name]) for name in KINDS}


def test_files():
    """There is a file for each kind, and `make docs` keeps it up to date."""
    there = {
        path: path.read_text(encoding="utf-8") for path in schemas.SCHEMAS.iterdir()
    }

    assert there == schemas.files()


@pytest.mark.parametrize("name", KINDS)
def test_schemas(name):
    """Each file has a valid schema, with a valid example if an engine recorded one."""
    schema = SCHEMAS[name]

    Draft202012Validator.check_schema(schema)
    assert schema["required"] == list(schema["properties"])
    unrecorded = {"process-instance.suspended", "process-instance.resumed"}
    assert bool(schema.get("examples")) == (name not in unrecorded)
    for example in schema.get("examples", ()):
        VALIDATORS[name].validate(example)


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


@pytest.mark.parametrize("name", KINDS)
def test_wrong_fields(name):
    """A missing field or another type or word is invalid; an unknown field is valid."""
    event = valid(name)
    VALIDATORS[name].validate(event | {"inventedLater": {"deeply": [7]}})
    for field, shape in SCHEMAS[name]["properties"].items():
        missing = {key: value for key, value in event.items() if key != field}
        assert not VALIDATORS[name].is_valid(missing)
        assert not VALIDATORS[name].is_valid(event | {field: WRONG[shape["type"]]})
        assert not VALIDATORS[name].is_valid(event | {field: None})
        if "const" in shape or "pattern" in shape:
            assert not VALIDATORS[name].is_valid(event | {field: "x"})


def valid(name):
    """Return an event of the kind *name* with empty fields."""
    nothing = {"integer": 0, "boolean": False, "array": [], "object": {}, "string": ""}
    event = {
        field: "-1"
        if shape.get("pattern") == schemas.DIGITS
        else shape.get("const", nothing[shape["type"]])
        for field, shape in SCHEMAS[name]["properties"].items()
    }
    return event | ({"assignee": "ann"} if name == "user-task.assigned" else {})


def test_cloud_events_name_their_schema():
    """A CloudEvent has the id of its schema."""
    event = Event(1, 1, 1, 1, 1, b"{}", "job.failed")

    written = json.loads(FORMATS["cloudevents"].write(event, ""))

    assert written["dataschema"] == SCHEMAS["job.failed"]["$id"]


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
