"""No line gets lost, whatever the bytes and chunks."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.bodies import NEWER, OLDER, items_of

NAMES = st.text(max_size=8)
ABOUT = st.fixed_dictionaries({}, optional={"_index": NAMES, "_id": NAMES})
ACTIONS = st.builds(
    lambda operation, about, ascii_only: json.dumps(
        {operation: about}, ensure_ascii=ascii_only
    ).encode(errors="surrogatepass"),
    st.sampled_from(["index", "create", "update"]),
    ABOUT,
    st.booleans(),
)


LINES = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([OLDER, NEWER, b'{"delete":{"_index":"i"}}', b"", b"\r", b"{}"]),
    ACTIONS,
)


BODIES = st.one_of(st.binary(), st.lists(LINES).map(b"\n".join))


def cut(body, places):
    """Return *body* in chunks, cut at *places*."""
    ends = sorted({place % (len(body) + 1) for place in places})
    return [
        body[start:end] for start, end in zip([0, *ends], [*ends, None], strict=True)
    ]


@given(body=BODIES, places=st.lists(st.integers(0, 500), max_size=8))
def test_chunks_do_not_matter(body, places):
    """The items don't depend on the chunks, and answers are JSON."""
    items = items_of(*cut(body, places))

    assert items == items_of(body)
    assert items == items_of(*(bytes([byte]) for byte in body))
    for answer, *_ in items:
        ((_, about),) = json.loads(answer.decode(errors="surrogatepass")).items()
        assert about.keys() == {"_index", "_id", "status"}
        assert b"\n" not in answer


def is_action(line):
    """Return whether *line* is JSON with one of the four operations."""
    ((operation, about),) = json.loads(line.decode(errors="surrogatepass")).items()
    return operation in {"index", "create", "update", "delete"} and isinstance(
        about, dict
    )


@given(BODIES)
def test_nothing_gets_lost(body):
    """Every line that isn't blank becomes a document or an action."""
    documents = [item.document for item in items_of(body)]
    expected = [document for document in documents if document and document.strip()]

    for text in filter(bytes.strip, body.split(b"\n")):
        if expected and text == expected[0]:
            del expected[0]
        else:
            assert is_action(text)
    assert not expected


@given(
    st.lists(
        st.tuples(
            ACTIONS, st.binary(max_size=50).filter(lambda line: b"\n" not in line)
        )
    )
)
def test_one_item_per_action(pairs):
    """Each action with its document becomes one item, in order."""
    body = b"".join(b"%b\n%b\n" % pair for pair in pairs)

    items = items_of(body)

    assert [item.document for item in items] == [document for _, document in pairs]
    for (spelled, _), (answer, *_) in zip(pairs, items, strict=True):
        ((operation, about),) = json.loads(answer).items()
        ((said, names),) = json.loads(spelled).items()
        assert operation == said
        assert about["_index"] == names.get("_index", "")
        assert about["_id"] == names.get("_id", "")
