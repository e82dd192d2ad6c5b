"""The grammar of selections, and its errors."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.events import CATALOG, DEFAULT, EVERYTHING, SelectionError
from exporter.events.flow import USUAL
from exporter.events.selection import parse

KINDS = {each.name: [kind.name for kind in each.kinds] for each in CATALOG}
ERRORS = (
    "job-no-retries, execution-listener-no-retries, task-listener-no-retries, "
    "ad-hoc-sub-process-no-retries, unhandled-error-event, io-mapping-error, "
    "extract-value-error, condition-error, called-element-error, "
    "called-decision-error, decision-evaluation-error, form-not-found, "
    "resource-not-found, message-size-exceeded, unknown"
)
STEPS = (
    "user-task, service-task, send-task, receive-task, script-task, "
    "business-rule-task, manual-task, task, call-activity, end-event, sub-process, "
    "event-sub-process, ad-hoc-sub-process, start-event, intermediate-catch-event, "
    "intermediate-throw-event, boundary-event"
)
TYPES = (
    "user-task, process-instance, step, incident, job, variable, message, "
    "message-subscription, signal, timer, decision, escalation, process"
)


def read(text):
    """Return the terms of *text*: the type, kinds and patterns."""
    return [
        (term.type.name, [kind.name for kind in term.kinds], list(term.patterns))
        for term in parse(text)
    ]


@pytest.mark.parametrize(
    "text, terms",
    [
        ("user-task", [("user-task", KINDS["user-task"], ["*"])]),
        ("incident:created", [("incident", ["created"], ["*"])]),
        (
            "user-task:unassigned,timer",
            [("user-task", ["unassigned"], ["*"]), ("timer", KINDS["timer"], ["*"])],
        ),
        ("step:completed", [("step", ["completed"], list(USUAL))]),
        (
            "step:completed[service-task,user-task]",
            [("step", ["completed"], ["service-task", "user-task"])],
        ),
        ("step[*]", [("step", KINDS["step"], ["*"])]),
        ("step[*-event]", [("step", KINDS["step"], ["*-event"])]),
        ("variable[a, b*]", [("variable", KINDS["variable"], ["a", "b*"])]),
        ("variable:updated[*]", [("variable", ["updated"], ["*"])]),
        (
            "job:failed[io.camunda:http-json:1]",
            [("job", ["failed"], ["io.camunda:http-json:1"])],
        ),
        (
            "message[ Order received , käse ]",
            [("message", KINDS["message"], ["Order received", "käse"])],
        ),
        ("decision[what?now]", [("decision", KINDS["decision"], ["what?now"])]),
        ("incident[job-*]", [("incident", KINDS["incident"], ["job-*"])]),
        ("job, job", [("job", KINDS["job"], ["*"])] * 2),
        (
            "  step\n:\tcompleted [ end-event ]\n,signal  ",
            [
                ("step", ["completed"], ["end-event"]),
                ("signal", ["broadcasted"], ["*"]),
            ],
        ),
    ],
)
def test_what_is_right(text, terms):
    """A term has a type, and may have a kind and brackets."""
    assert read(text) == terms


@pytest.mark.parametrize(
    "text, wrong",
    [
        ("", "term 1: it is missing"),
        ("  ", "term 1: it is missing"),
        ("user-task,", "term 2: it is missing"),
        (",user-task", "term 1: it is missing"),
        ("user-task,,job", "term 2: it is missing"),
        ("[a]", f"term 1 ([a]): there is no type  (there are {TYPES})"),
        ("job,\u200btimer", "there is no type \u200btimer (is timer meant?)"),
        (
            "user-task, insident:created",
            "term 2 (insident:created): there is no type insident (is incident meant?)",
        ),
        ("USER_TASK", "there is no type USER_TASK (is user-task meant?)"),
        ("xyz", f"there is no type xyz (there are {TYPES})"),
        ("user-task:CREATED", "user-task has no kind CREATED (is created meant?)"),
        (
            "timer : gone, job",
            (
                "term 1 (timer : gone): timer has no kind gone "
                "(there are created, triggered, canceled)"
            ),
        ),
        ("timer:", "timer has no kind "),
        ("timer:[a]", "timer has no kind "),
        ("job, job:failed:x", "term 2 (job:failed:x): it isn't like type, type:kind"),
        ("user-task job", "there is no type user-task job (is user-task meant?)"),
        ("user-task\njob", "term 1 (user-task job): there is no type"),
        ("job[a]b", "term 1 (job[a]b): it isn't like"),
        ("job]", "term 1 (job]): it isn't like"),
        ("user-task[a]", "user-task takes no brackets"),
        ("timer:created [a]", "timer takes no brackets"),
        (
            "job[a, b], variable:updated",
            (
                "term 2 (variable:updated): "
                "variable needs its names in brackets, like [a, b*]"
            ),
        ),
        ("variable[]", "one of the names is missing"),
        ("variable[a,]", "one of the names is missing"),
        ("variable[", "term 1 (variable[): it isn't like"),
        ("variable[a, b", "term 1 (variable[a): it isn't like"),
        ("variable[a[b]", "term 1 (variable[a[b]): it isn't like"),
        ("variable['a']", "a pattern in brackets can't begin with '"),
        ("variable[!a]", "a pattern in brackets can't begin with !"),
        ("variable[a\nb]", "term 1 (variable[a b]): a comma is missing in brackets"),
        (
            "step[service_task]",
            "service_task is not one of the element types (is service-task meant?)",
        ),
        (
            "step[exclusive-gateway]",
            f"exclusive-gateway is not one of the element types (there are {STEPS})",
        ),
        (
            "step[*-gateway]",
            f"*-gateway is not one of the element types (there are {STEPS})",
        ),
        (
            "incident:created[JOB_NO_RETRIES]",
            "JOB_NO_RETRIES is not one of the error types (is job-no-retries meant?)",
        ),
        ("incident[x]", f"x is not one of the error types (there are {ERRORS})"),
    ],
)
def test_what_is_wrong(text, wrong):
    """An error names the term and a correction."""
    with pytest.raises(SelectionError) as raised:
        parse(text)

    assert wrong in str(raised.value)


def test_the_default():
    """The default selection is what the official exporter sends."""
    assert [(type_, kind) for type_, (kind,), _ in read(DEFAULT)] == [
        ("user-task", "created"),
        ("user-task", "assigned"),
        ("user-task", "unassigned"),
        ("user-task", "completed"),
        ("user-task", "canceled"),
    ]


def test_everything():
    """`EVERYTHING` selects all kinds of all types, with all steps."""
    assert read(EVERYTHING) == [(name, kinds, ["*"]) for name, kinds in KINDS.items()]


def outcome_of(text):
    """Return the terms of *text*, or its error."""
    try:
        return parse(text)
    except SelectionError as error:
        return error


WORDS = sorted(
    {",", ":", "[", "]", " ", "\n", "*", "?", "a", "é", "[a]"}
    | set(KINDS)
    | {kind for kinds in KINDS.values() for kind in kinds}
    | set(USUAL)
)


@given(st.text() | st.lists(st.sampled_from(WORDS)).map("".join))
@example("step[\x00]")
@example("job[\ud800]")
def test_any_text(text):
    """Any text is valid, or its error names a term."""
    outcome = outcome_of(text)

    if isinstance(outcome, SelectionError):
        assert str(outcome).startswith("term ")
    else:
        assert all(term.kinds and term.patterns for term in outcome)


@given(
    st.sampled_from(
        [
            ["user-task"],
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
