"""Which elements are steps, and which jobs are selected."""

import json

import pytest

from exporter.events import EVERYTHING, Mapper, Selection
from exporter.events.flow import NEVER, OTHERS, USUAL
from tests import recorded
from tests.records import a_record, line

ALL = Mapper({"all": Selection(EVERYTHING)})


def kind_of(document, mapper=ALL):
    """Return the name of the event for *document*, or an empty text."""
    event = mapper.event(document)
    return event.kind if event else ""


def of(value_type, intent, **value):
    """Return the line of a record with only *value* in its value."""
    return line(a_record(valueType=value_type, intent=intent) | {"value": value})


ELEMENTS = {
    **{name.upper().replace("-", "_"): "step.completed" for name in USUAL + OTHERS},
    "INVENTED_LATER_TASK": "step.completed",
    "PROCESS": "process-instance.completed",
    "EXCLUSIVE_GATEWAY": "",
    "PARALLEL_GATEWAY": "",
    "INCLUSIVE_GATEWAY": "",
    "EVENT_BASED_GATEWAY": "",
    "INVENTED_LATER_GATEWAY": "",
    "SEQUENCE_FLOW": "",
    "MULTI_INSTANCE_BODY": "",
    "AD_HOC_SUB_PROCESS_INNER_INSTANCE": "",
    "UNSPECIFIED": "",
    "": "",
}


@pytest.mark.parametrize("element_type, kind", ELEMENTS.items())
def test_elements(element_type, kind):
    """An element is a step, a process instance, or neither."""
    document = of("PROCESS_INSTANCE", "ELEMENT_COMPLETED", bpmnElementType=element_type)
    by_word = element_type.lower().replace("_", "-")

    assert kind_of(document) == kind
    usual = Mapper({"": Selection("step")})
    assert bool(usual.event(document)) is (by_word in USUAL)
    if by_word in USUAL + OTHERS:
        only = Mapper({"": Selection(f"step:completed[{by_word}]")})
        assert kind_of(document, only) == kind


def test_elements_that_were_recorded():
    """All recorded element types are in the table."""
    types = {
        json.loads(document)["value"]["bpmnElementType"]
        for version in recorded.VERSIONS
        for document in recorded.lines(f"{version}/process-instance.jsonl")
    }

    assert types - ELEMENTS.keys() == set()
    assert ELEMENTS.keys() >= NEVER


@pytest.mark.parametrize(
    "job_kind, kind",
    [
        ("BPMN_ELEMENT", "job.created"),
        ("AD_HOC_SUB_PROCESS", "job.created"),
        ("INVENTED_LATER", "job.created"),
        (None, "job.created"),
        ("EXECUTION_LISTENER", ""),
        ("TASK_LISTENER", ""),
        ("GLOBAL_LISTENER", ""),
    ],
)
def test_jobs_of_listeners(job_kind, kind):
    """Jobs of listeners are not selected."""
    assert kind_of(of("JOB", "CREATED", jobKind=job_kind)) == kind
