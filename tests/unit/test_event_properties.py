"""Any record becomes an event, or is skipped, or has a reason."""

import json

from hypothesis import given
from hypothesis import strategies as st

from exporter.events import CATALOG, EVERYTHING, Mapper, Selection, UnmappableError
from tests.records import a_record

MAPPER = Mapper({"all": Selection(EVERYTHING)})
TYPE_OF = {each.name_of(kind): (each, kind) for each in CATALOG for kind in each.kinds}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)
SOURCES = sorted(
    {
        field.source.removeprefix("value.")
        for each, kind in TYPE_OF.values()
        for field in each.fields_of(kind)
    }
    | {"jobKind"}
)
ENVELOPE = sorted(set(a_record()) - {"value"})


@given(
    name=st.sampled_from(sorted(TYPE_OF)),
    value=st.dictionaries(st.sampled_from(SOURCES), JSON, max_size=6),
    element_type=st.sampled_from(["PROCESS", "TASK", "EXCLUSIVE_GATEWAY"]),
    envelope=st.dictionaries(st.sampled_from(ENVELOPE), JSON, max_size=2),
)
def test_any_field(name, value, element_type, envelope):
    """Any value in any field gives an event, or is skipped, or has a reason."""
    each, kind = TYPE_OF[name]
    record = a_record(valueType=each.value_type, intent=kind.intent) | envelope
    record["value"] = {"bpmnElementType": element_type} | value

    event = outcome_of(json.dumps(record).encode())

    if not isinstance(event, str | None):
        each, kind = TYPE_OF[event.kind]
        fields = [field.name for field in each.fields_of(kind)]
        assert list(json.loads(event.body)) == fields
        assert b"\n" not in event.body
        assert event.partition > 0
        assert min(event.position, event.timestamp) >= 0
        assert all(-(2**63) <= number < 2**63 for number in event[:5])


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_document(document):
    """Any document is skipped or has a reason."""
    assert isinstance(outcome_of(document), str | None)


def outcome_of(document):
    """Return the event, None, or the reason."""
    try:
        return MAPPER.event(document)
    except UnmappableError as error:
        return str(error).encode().decode()
