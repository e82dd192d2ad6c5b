"""The name of an index tells whether its records may be wanted."""

import json

import pytest

from exporter.events import may_be_wanted
from exporter.events.selection import KNOWN_TYPES
from tests import recorded


@pytest.mark.parametrize(
    "index, wanted",
    [
        (b"zeebe-record_user-task_8.6.0_2026-11-23", True),
        (b"zeebe-record_process-instance_8.6.0_2026-11-23", False),
        (b"zeebe-record_variable_8.10.0_2026-11-23", False),
        (b"zeebe-record_job_8.5.8_2026-11", False),
        (b"other-prefix_job_8.6.0_2026-11-23", False),
        (b"_job_8.6.0_2026-11-23", False),
        (b"job_user-task_8.6.0_2026-11-23", True),
        # The name doesn't tell, so the record has to:
        (b"odd_prefix_job_8.6.0_2026-11-23", True),
        (b"zeebe-record_job_8.6.0_2026_11_23", True),
        (b"zeebe-record_invented-later_8.12.0_2027-01-01", True),
        (b"zeebe-record_job", True),
        (b"job", True),
        (b"", True),
        (b"\xff_\xff_\xff_\xff", True),
    ],
)
def test_index_names(index, wanted):
    """An index name spares us its record only if it surely holds another type."""
    assert may_be_wanted(index) is wanted


@pytest.mark.parametrize("path", recorded.OTHERS, ids=str)
def test_index_names_of_recorded_types(path):
    """Every value type that was recorded is known by name, or is looked at."""
    kinds = {json.loads(document)["valueType"] for document in recorded.lines(path)}

    for kind in kinds:
        name = kind.lower().replace("_", "-")
        index = f"zeebe-record_{name}_8.6.0_2026-11-23".encode()
        assert name == "user-task" or name in KNOWN_TYPES
        assert may_be_wanted(index) is (name == "user-task")


def test_index_names_of_templates():
    """Every index that a recorded exporter announced is known by name."""
    paths = [
        request["path"].rpartition("/")[2]
        for request in recorded.requests("es-exporter-8.6.0-startup")
        if request["path"].startswith("/_index_template/")
    ]
    names = {path.split("_")[1] for path in paths}

    assert len(names) > 30
    assert names - KNOWN_TYPES == set()
    for path in paths:
        index = f"{path}_2026-11-23".encode()
        assert may_be_wanted(index) is ("_user-task_" in path)
