"""Of elements and jobs, only those are told of that people mean by a step or a job."""

import json

import pytest

from exporter.events import EVERYTHING, Mapper, Selection
from exporter.events.flow import NEVER, OTHERS, USUAL
from tests import recorded
from tests.records import a_record, line

ALL = Mapper({"all": Selection(EVERYTHING)})


def kind_of(document, mapper=ALL):
    """Return what *document* is told of as, nothing when it isn't."""
    event = mapper.event(document)
    return event.kind if event else ""


def of(value_type, intent, **value):
    """Return the line of a record with nothing but this in its value."""
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
    """Of all elements, some are steps, one is the process, and some are nothing."""
    document = of("PROCESS_INSTANCE", "ELEMENT_COMPLETED", bpmnElementType=element_type)
    by_word = element_type.lower().replace("_", "-")

    assert kind_of(document) == kind
    usual = Mapper({"": Selection("step")})
    assert bool(usual.event(document)) is (by_word in USUAL)
    if by_word in USUAL + OTHERS:
        only = Mapper({"": Selection(f"step:completed[{by_word}]")})
        assert kind_of(document, only) == kind


def test_elements_that_were_recorded():
    """Every element type that was recorded is among those."""
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
    """A listener's job is nobody's step; any other is told of."""
    assert kind_of(of("JOB", "CREATED", jobKind=job_kind)) == kind
