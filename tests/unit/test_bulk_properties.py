"""No line gets lost, whatever the bytes and chunks."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.bodies import NEWER, OLDER, content_of

NAMES = st.text(max_size=8)
ACTIONS = st.builds(
    lambda operation, about, ascii_only: json.dumps(
        {operation: about}, ensure_ascii=ascii_only
    ).encode(errors="surrogatepass"),
    st.sampled_from(["index", "create"]),
    st.fixed_dictionaries({}, optional={"_index": NAMES, "_id": NAMES}),
    st.booleans(),
)
LINES = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([OLDER, NEWER, b'{"delete":{"_index":"i"}}', b"", b"\r", b"{}"]),
    ACTIONS,
)
BODIES = st.binary() | st.lists(LINES).map(b"\n".join)


@given(body=BODIES, size=st.integers(1, 20))
def test_nothing_gets_lost(body, size):
    """Every line that isn't blank becomes a document or an action, in any chunks."""
    answers, documents = content_of(body)
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    expected = [document for document in documents if document.strip()]

    assert content_of(*chunks) == (answers, documents)
    for text in filter(bytes.strip, body.split(b"\n")):
        if expected and text == expected[0]:
            del expected[0]
        else:
            ((operation, _),) = read(text).items()
            assert operation in {"index", "create"}
    assert not expected


@given(
    st.lists(
        st.tuples(
            ACTIONS, st.binary(max_size=50).filter(lambda line: b"\n" not in line)
        )
    )
)
def test_one_answer_per_action(pairs):
    """Each action has one answer with its names, and one document, in order."""
    answers, documents = content_of(b"".join(b"%b\n%b\n" % pair for pair in pairs))

    assert documents == [document for _, document in pairs]
    for (spelled, _), answer in zip(pairs, answers, strict=True):
        ((operation, names),) = read(spelled).items()
        about = {"_index": names.get("_index", ""), "_id": names.get("_id", "")}
        assert read(answer) == {operation: about | {"status": 201}}
        assert b"\n" not in answer


def read(line):
    """Return the JSON in *line*."""
    return json.loads(line.decode(errors="surrogatepass"))
