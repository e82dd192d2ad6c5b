"""The generated part of docs/events.md: formats, forms and event types."""

import json
from collections.abc import Iterable, Iterator

from exporter.events import CATALOG, FORMATS, Event
from exporter.events.event_type import EventType, Kind
from exporter.events.fields import OLDEST, Field, Form
from scripts.examples import VERSIONS, body_of, examples

CLUSTER = "f3b2"
Examples = dict[str, dict[str, Event]]


def reference() -> str:
    """Return the generated part of the page."""
    recorded = examples()
    types = (each_type(each, recorded) for each in CATALOG)
    return "\n\n".join([formats(recorded), forms(), *types])


def formats(recorded: Examples) -> str:
    """Return the table of batch formats, with an example from *recorded*."""
    event = recorded["user-task.completed"][VERSIONS[-1]]
    rows = []
    for each in FORMATS.values():
        batch = each.before + b"event" + each.between + b" ..." + each.after
        name, content_type = f"`{each.name}`", f"`{each.content_type}`"
        rows.append((name, each.meaning, content_type, f"`{batch.decode()}`"))
    table = _table(("format", "events", "Content-Type", "a batch"), rows)
    first, value = next(iter(body_of(event).items()))
    inside = event.body[1:-1].decode()
    short = f'"{first}":"{value}"'
    blocks = []
    for each in list(FORMATS.values())[1:3]:  # the last two write the same events
        written = each.write(event, CLUSTER).decode().replace(inside, short)
        shown = _json(json.loads(written)).replace(
            short.replace(":", ": "), short.replace(":", ": ") + ", ..."
        )
        blocks.append(
            f"An event in the format `{each.name}` from the cluster `{CLUSTER}`, "
            f"shortened:\n\n```\n{shown}\n```"
        )
    return "\n\n".join([table, *blocks])


def forms() -> str:
    """Return the table of field forms."""
    rows = ((form.name.lower(), f"{form}") for form in Form)
    return f"## Forms of fields\n\n{_table(('form', 'is'), rows)}"


def each_type(each: EventType, recorded: Examples) -> str:
    """Return the section of one type."""
    kinds = ("selected by", "of the engine", "meaning", "since", "by default")
    fields = ("field", "form", "meaning", "in the record", "since")
    return "\n\n".join(
        [
            f"## {each.name}",
            each.meaning,
            " ".join(_notes(each)),
            _table(kinds, (_kind(each, kind) for kind in each.kinds)),
            _table(fields, _fields(each)),
            *_examples(each, recorded),
        ]
    )


def _notes(each: EventType) -> Iterator[str]:
    yield f"Records of the type `{each.value_type}`."
    if not each.in_brief:
        yield "Brokers from 8.8 on export them only with `includeEnabledRecords`."
    if each.brackets:
        choices, usual = each.brackets.choices, each.brackets.usual
        text = f"Brackets choose by {each.brackets.of}"
        if not usual:
            yield f"{text}, and are required."
        elif not choices:
            yield f"{text}."
        elif usual == ("*",):
            yield f"{text}: {_words(choices)}."
        else:
            more = _words(word for word in choices if word not in usual)
            yield f"{text}. They default to {_words(usual)}; also possible: {more}."


def _words(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines)


def _since(version: str) -> str:
    return "" if version == OLDEST else version


def _kind(each: EventType, kind: Kind) -> tuple[str, ...]:
    name = f"`{each.name}:{kind.name}`"
    default = "yes" if kind.default else ""
    return name, f"`{kind.intent}`", kind.meaning, _since(kind.since), default


def _fields(each: EventType) -> Iterator[tuple[str, ...]]:
    for field in each.fields:
        yield _field(field, field.meaning)
    only: dict[Field, list[str]] = {}
    for kind in each.kinds:
        for field in kind.extra:
            only.setdefault(field, []).append(f"`{kind.name}`")
    for field, kinds in only.items():
        yield _field(field, f"{field.meaning} Only of {', '.join(kinds)}.")


def _field(field: Field, meaning: str) -> tuple[str, ...]:
    form, source = field.form.name.lower(), f"`{field.source}`"
    return f"`{field.name}`", form, meaning, source, _since(field.since)


def _examples(each: EventType, recorded: Examples) -> Iterator[str]:
    """Yield an example of each recorded kind; only the first one is unfolded."""
    for kind in each.kinds:
        name = f"{each.name}:{kind.name}"
        event = next(iter(recorded.get(each.name_of(kind), {}).values()), None)
        if event is None:
            yield f"`{name}` was never recorded; it follows Camunda's documentation."
            continue
        block = f"```json\n{_json(body_of(event))}\n```"
        if kind is each.kinds[0]:
            yield f"`{name}`, from a broker {event.broker}:\n\n{block}"
        else:
            summary = f"<code>{name}</code>, from a broker {event.broker}"
            yield f"<details><summary>{summary}</summary>\n\n{block}\n\n</details>"


def _json(event: dict[str, object]) -> str:
    """Return *event* as JSON with one line per field."""
    lines = (
        f"  {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
        for name, value in event.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}"
