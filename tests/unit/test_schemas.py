"""The published schemas say what every event is like, and nothing that isn't so."""

import json
import re

import pytest
from jsonschema import Draft202012Validator

from exporter.events import CATALOG, DEFAULT, EVERYTHING, Event, Mapper, Selection
from exporter.events.formats import FORMATS
from scripts import schemas
from scripts.examples import VERSIONS, recorded
from tests import recorded as files
from tests.contract import CONTRACT, EVENT
from tests.records import UNRECORDED, line

KINDS = {each.name_of(kind): (each, kind) for each in CATALOG for kind in each.kinds}
PAGE = schemas.SCHEMAS.parent / "events.md"
WRONG = {"string": 7, "integer": "7", "boolean": "no", "array": {}, "object": []}


def published(name):
    """Return the schema in the file of the kind with this *name*."""
    return json.loads((schemas.SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))


SCHEMAS = {name: published(name) for name in KINDS}
VALIDATORS = {name: Draft202012Validator(SCHEMAS[name]) for name in KINDS}


def test_files():
    """There is one for each kind, as the code declares it; `make docs` repairs it."""
    there = {
        path: path.read_text(encoding="utf-8") for path in schemas.SCHEMAS.iterdir()
    }

    assert there == schemas.files()


@pytest.mark.parametrize("name", KINDS)
def test_schemas(name):
    """Each is a schema of its draft, with an example if an engine recorded one."""
    schema = SCHEMAS[name]

    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert schema["required"] == list(schema["properties"])
    assert all(each["description"] for each in schema["properties"].values())
    unrecorded = {"process-instance.suspended", "process-instance.resumed"}
    assert bool(schema.get("examples")) == (name not in unrecorded)
    for example in schema.get("examples", ()):
        VALIDATORS[name].validate(example)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_recorded_event(version):
    """What was recorded is as the schema of its kind says, and of no other."""
    events = recorded(version)
    mapper = Mapper({"": Selection(EVERYTHING)})
    newer = [mapper.event(line(each)) for each in UNRECORDED]

    assert len(events) > 200
    for event in [*events, *newer]:
        body = json.loads(event.body)
        valid = {name for name in KINDS if VALIDATORS[name].is_valid(body)}
        assert valid == {event.kind}


def test_the_examples_read_everything():
    """What scripts take for recorded is what the tests know."""
    mapper = Mapper({"": Selection(EVERYTHING)})
    for version in files.VERSIONS:
        lines = files.everything(version)
        assert recorded(version) == [e for each in lines if (e := mapper.event(each))]


def test_the_contract():
    """The schema of a created user task has the fields of the contract, in order."""
    VALIDATORS["user-task.created"].validate(json.loads(EVENT))

    assert SCHEMAS["user-task.created"]["required"] == [name for name, *_ in CONTRACT]


@pytest.mark.parametrize("name", KINDS)
def test_newer_fields(name):
    """A receiver that checks by a schema isn't broken by a field it doesn't know."""
    event = valid(name) | {"inventedLater": {"deeply": [7]}}

    VALIDATORS[name].validate(event)


@pytest.mark.parametrize("name", KINDS)
def test_what_is_wrong(name):
    """A field that is missing, of another type or of another word is found."""
    event = valid(name)
    for field, shape in SCHEMAS[name]["properties"].items():
        missing = {key: value for key, value in event.items() if key != field}
        assert not VALIDATORS[name].is_valid(missing)
        assert not VALIDATORS[name].is_valid(event | {field: WRONG[shape["type"]]})
        assert not VALIDATORS[name].is_valid(event | {field: None})
        if "const" in shape or "pattern" in shape:
            assert not VALIDATORS[name].is_valid(event | {field: "x"})


def valid(name):
    """Return an event of the kind *name* that says as little as can be."""
    nothing = {"integer": 0, "boolean": False, "array": [], "object": {}, "string": ""}
    event = {
        field: "-1"
        if shape.get("pattern") == schemas.DIGITS
        else shape.get("const", nothing[shape["type"]])
        for field, shape in SCHEMAS[name]["properties"].items()
    }
    return event | ({"assignee": "ann"} if name == "user-task.assigned" else {})


@pytest.mark.parametrize("name", KINDS)
def test_cloud_events_name_their_schema(name):
    """A receiver finds the schema by the `dataschema` of an event."""
    event = Event(1, 1, 1, 1, 1, b"{}", name)

    written = json.loads(FORMATS["cloudevents"].write(event, ""))

    assert written["dataschema"] == SCHEMAS[name]["$id"]


def test_the_page_has_every_type():
    """Every type has its section, and in it an example as the engine had it."""
    page = PAGE.read_text(encoding="utf-8")
    parts = page.split("\n## ")[1:]
    sections = {part.splitlines()[0]: part for part in parts}

    for each in CATALOG:
        section = sections[each.name]
        names = {each.name_of(kind) for kind in each.kinds}
        (first, *more) = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
        for example in (first, *more):
            body = json.loads(example)
            assert any(VALIDATORS[name].is_valid(body) for name in names)
        assert ("includeEnabledRecords" in section) is not each.in_brief
        for name in names:
            assert f"(schemas/{name}.json)" in section


def test_the_selections_of_the_page():
    """Every selection that it shows can be read, and the default is the default."""
    page = PAGE.read_text(encoding="utf-8")
    shown = re.findall(r'_EVENTS="(.*?)"', page)
    shown += re.findall(
        r"^\| `([^`]+)` \| (?!`)", page.partition("## Filter events")[0], re.MULTILINE
    )

    assert len(shown) > 5
    for text in shown:
        assert Selection(text).value_types
    assert f"\n{DEFAULT}\n" in page
