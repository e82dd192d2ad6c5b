"""The grammar of selections, and its errors."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.events import CATALOG, DEFAULT, EVERYTHING, SelectionError
from exporter.events.flow import USUAL
from exporter.events.selection import parse


def read(text):
    """Return the terms of *text*, written out; `*` stands for all kinds of a type."""
    return " ".join(
        f"{term.type.name}:{kinds_of(term)}[{','.join(term.patterns)}]"
        for term in parse(text)
    )


def kinds_of(term):
    """Return the name of the kind that *term* selects, or `*` for all of several."""
    if term.kinds == term.type.kinds:
        return "*"
    (kind,) = term.kinds
    return kind.name


@pytest.mark.parametrize(
    "text, terms",
    [
        ("user-task", "user-task:*[*]"),
        ("user-task:unassigned,timer", "user-task:unassigned[*] timer:*[*]"),
        ("step:completed", f"step:completed[{','.join(USUAL)}]"),
        ("step:completed[user-task,a*]", "step:completed[user-task,a*]"),
        ("step[*-event]", "step:*[*-event]"),
        ("variable[a, b*]", "variable:*[a,b*]"),
        ("job:failed[io.camunda:http-json:1]", "job:failed[io.camunda:http-json:1]"),
        ("message[ Order received , käse ]", "message:*[Order received,käse]"),
        ("decision[what?now]", "decision:*[what?now]"),
        ("job, job", "job:*[*] job:*[*]"),
        ("  timer\n:\tcreated \n,job [ a ]  ", "timer:created[*] job:*[a]"),
        (EVERYTHING, " ".join(f"{each.name}:*[*]" for each in CATALOG)),
        (
            DEFAULT,  # what the official exporter sends
            " ".join(
                f"user-task:{kind}[*]"
                for kind in (
                    "created",
                    "assigned",
                    "unassigned",
                    "completed",
                    "canceled",
                )
            ),
        ),
    ],
)
def test_what_is_right(text, terms):
    """A term has a type, and may have a kind and brackets."""
    assert read(text) == terms


@pytest.mark.parametrize(
    "text, number, words",
    [
        *((text, 1, "missing") for text in ("", "  ", ",user-task")),
        *((text, 2, "missing") for text in ("user-task,", "user-task,,job")),
        ("[a]", 1, "no type  (there are user-task, process-instance, step, "),
        ("job,\u200btimer", 2, "no type \u200btimer (is timer meant?)"),
        ("user-task, insident:created", 2, "no type insident (is incident meant?)"),
        ("user-task job", 1, "no type user-task job (is user-task meant?)"),
        ("user-task:CREATED", 1, "user-task has no kind CREATED (is created meant?)"),
        (
            "timer : gone, job",
            1,
            "no kind gone (there are created, triggered, canceled)",
        ),
        *((text, 1, "timer has no kind ") for text in ("timer:", "timer:[a]")),
        *(
            (text, 1, "isn't like type, type:kind")
            for text in (
                "job:failed:x",
                "job[a]b",
                "job]",
                "variable[",
                "variable[a[b]",
            )
        ),
        ("job, variable[a, b", 2, "(variable[a): it isn't like"),
        ("user-task[a]", 1, "user-task takes no brackets"),
        ("job[a, b], variable:updated", 2, "needs its names in brackets, like [a, b*]"),
        *((text, 1, "names is missing") for text in ("variable[]", "variable[a,]")),
        ("variable['a']", 1, "can't begin with '"),
        ("variable[!a]", 1, "can't begin with !"),
        ("variable[a\nb]", 1, "a comma is missing in brackets"),
        ("step[service_task]", 1, "element types (is service-task meant?)"),
        ("step[*-gateway]", 1, "element types (there are user-task, "),
        ("incident[JOB_NO_RETRIES]", 1, "error types (is job-no-retries meant?)"),
        ("incident[x]", 1, "error types (there are job-no-retries, "),
    ],
)
def test_what_is_wrong(text, number, words):
    """An error names the term and a correction."""
    with pytest.raises(SelectionError) as raised:
        parse(text)

    assert str(raised.value).startswith(f"term {number}")
    assert words in str(raised.value)


KINDS = {kind.name for each in CATALOG for kind in each.kinds}
WORDS = sorted({*",:[] \n*?aé", "[a]", *KINDS, *USUAL, *(x.name for x in CATALOG)})


@given(st.text(max_size=30) | st.lists(st.sampled_from(WORDS), max_size=9).map("".join))
@example("step[\x00]")
@example("job[\ud800]")
def test_any_text(text):
    """Any text is valid, or its error names a term."""
    try:
        terms = parse(text)
    except SelectionError as error:
        assert str(error).startswith("term ")  # noqa: PT017 - either is right
    else:
        assert all(term.kinds and term.patterns for term in terms)


@given(
    st.sampled_from(
        [
            ["job", ":", "failed", "[", "a:b c", ",", "d*", "]", ",", "timer"],
            ["step", "[", "end-event", "]", ",", "variable", "[", "x", "]"],
        ]
    ),
    st.data(),
)
def test_blanks_between(tokens, data):
    """Spaces and line ends between the parts change nothing."""
    blanks = st.text("\n\t\r\f ", max_size=3)

    text = "".join(data.draw(blanks) + token for token in tokens) + data.draw(blanks)

    assert read(text) == read("".join(tokens))
