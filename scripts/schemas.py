"""Generate docs/schemas.json, which has a JSON Schema for each kind of event."""

import json
from pathlib import Path
from typing import Any

from exporter.events import CATALOG
from exporter.events.event_type import EventType, Kind
from exporter.events.fields import INTENT, OLDEST, TYPE, Field, Form
from exporter.events.formats import SCHEMA
from scripts.examples import body_of, examples

SCHEMAS = Path(__file__).parents[1] / "docs" / "schemas.json"
DRAFT = "https://json-schema.org/draft/2020-12/schema"
DIGITS = "^-?[0-9]{1,19}$"
MOMENT = "^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{3})?Z)?$"

# Constraints that distinguish kinds with the same intent and value type.
APART: dict[tuple[str, str], dict[str, Any]] = {
    ("user-task.assigned", "assignee"): {"minLength": 1},
    ("user-task.unassigned", "assignee"): {"const": ""},
    ("process-instance", "elementType"): {"const": "PROCESS"},
    ("step", "elementType"): {"not": {"const": "PROCESS"}},
}

SHAPES: dict[Form, dict[str, Any]] = {
    Form.DIGITS: {"type": "string", "pattern": DIGITS},
    Form.TEXT: {"type": "string"},
    Form.NUMBER: {"type": "integer"},
    Form.MOMENT: {"type": "string", "pattern": MOMENT},
    Form.LIST: {"type": "array", "items": {"type": "string"}},
    Form.OBJECT: {"type": "object", "additionalProperties": {"type": "string"}},
    Form.FLAG: {"type": "boolean"},
}


def schemas() -> dict[str, Any]:
    """Return the content of the file."""
    recorded = examples()
    kinds = {}
    for each in CATALOG:
        for kind in each.kinds:
            name = each.name_of(kind)
            kinds[name] = schema_of(each, kind)
            if shown := recorded.get(name):
                kinds[name]["examples"] = [body_of(event) for event in shown.values()]
    return {
        "$schema": DRAFT,
        "$id": SCHEMA,
        "title": "The events of the App Integrations Exporter",
        "description": "Below `$defs` is a schema for each kind of event.",
        "oneOf": [{"$ref": f"#{name}"} for name in kinds],
        "$defs": kinds,
    }


def files() -> dict[Path, str]:
    """Return the file and its text."""
    return {SCHEMAS: json.dumps(schemas(), indent=1, ensure_ascii=False) + "\n"}


def schema_of(each: EventType, kind: Kind) -> dict[str, Any]:
    """Return the schema of events of this *kind*, without examples."""
    fields = each.fields_of(kind)
    words = {INTENT.name: kind.intent, TYPE.name: each.value_type}
    properties = {field.name: _property(field) for field in fields}
    for name, word in words.items():
        properties[name] |= {"const": word}
    for (what, name), shape in APART.items():
        if what in (each.name, each.name_of(kind)):
            properties[name] |= shape
    return {
        "$anchor": each.name_of(kind),
        "title": each.name_of(kind),
        "description": f"{each.meaning} {kind.name.capitalize()}: {kind.meaning}",
        "type": "object",
        "properties": properties,
        "required": [field.name for field in fields],
        # Later versions may add fields, and receivers must ignore unknown ones.
        "additionalProperties": True,
    }


def _property(field: Field) -> dict[str, Any]:
    form = field.form[0].upper() + field.form[1:]
    source = f"`{field.source}` of the record"
    if field.since != OLDEST:
        source += f", from Camunda {field.since} on"
    return {"description": f"{field.meaning} {form}. {source}.", **SHAPES[field.form]}
