"""The name of an index tells whether its records may be selected."""

import json

import pytest

from exporter.events import CATALOG, EVERYTHING, Mapper, Selection
from exporter.events.index import KNOWN_TYPES
from tests import recorded

OFFICIAL = Mapper()


def index_of(value_type):
    """Return the name of the index for *value_type*."""
    name = value_type.lower().replace("_", "-")
    return f"zeebe-record_{name}_8.6.0_2026-11-23".encode()


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
        (b"zeebe-record_job_8.6.0_" + 300 * b"2", True),
    ],
)
def test_index_names(index, wanted):
    """Records are skipped only if the index name has another known type."""
    assert OFFICIAL.tenant_of(index) == ("default" if wanted else None)


@pytest.mark.parametrize(
    "index, tenant",
    [
        (b"zeebe-record-east_user-task_8.10.0_2026-11-23", "east"),
        (b"zeebe-record-us-east-1_user-task_8.10.0_2026-11-23", "us-east-1"),
        (b"zeebe-record-default_user-task_8.10.0_2026-11-23", "default"),
        (b"zeebe-record-_user-task_8.10.0_2026-11-23", "default"),
        (b"zeebe-records-east_user-task_8.10.0_2026-11-23", "default"),
        (b"east_user-task_8.10.0_2026-11-23", "default"),
        # No broker takes such a prefix, but two of them must not become one.
        (b"zeebe-record-a_b_user-task_8.10.0_2026-11-23", "a_b"),
        (b"zeebe-record-a_b_user-task_8.10.0_2026_11_23", "a_b"),
        (b"zeebe-record-east_user-task_8.10.0_2026_11_23", "east"),
        (b"zeebe-record-east", "east"),
        (
            "zeebe-record-größe,1 x_user-task_8.10.0_1".encode(),
            "gr%C3%B6%C3%9Fe%2C1%20x",
        ),
        (b"zeebe-record-a\r\nb_user-task_8.10.0_2026-11-23", "a%0D%0Ab"),
        (b"zeebe-record-" + 300 * b"a" + b"_user-task_8.10.0_2026-11-23", "default"),
    ],
)
def test_physical_tenants(index, tenant):
    """After the default prefix, the index name has the physical tenant."""
    assert OFFICIAL.tenant_of(index) == tenant


def test_index_names_of_recorded_types():
    """All recorded value types are known."""
    kinds = {
        json.loads(document)["valueType"]
        for version in recorded.VERSIONS
        for document in recorded.everything(version)
    }

    for kind in kinds:
        assert kind.lower().replace("_", "-") in KNOWN_TYPES
        assert bool(OFFICIAL.tenant_of(index_of(kind))) is (kind == "USER_TASK")


def test_index_names_of_templates():
    """The value types of all recorded index templates are known."""
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
        assert bool(OFFICIAL.tenant_of(index)) is ("_user-task_" in path)


@pytest.mark.parametrize("each", CATALOG, ids=lambda each: each.name)
def test_index_names_of_what_is_selected(each):
    """Records are read if any backend selects their type."""
    term = f"{each.name}[*]" if each.brackets else each.name
    mapper = Mapper({"a": Selection("user-task"), "b": Selection(term)})

    looked_at = {
        other.value_type
        for other in CATALOG
        if mapper.tenant_of(index_of(other.value_type))
    }

    assert each.value_type.lower().replace("_", "-") in KNOWN_TYPES
    assert looked_at == {"USER_TASK", each.value_type}


def test_index_names_when_everything_is_selected():
    """Types without events are not read even if everything is selected."""
    mapper = Mapper({"all": Selection(EVERYTHING)})

    assert not mapper.tenant_of(index_of("JOB_BATCH"))
    assert not mapper.tenant_of(index_of("DEPLOYMENT"))
    assert not mapper.tenant_of(index_of("MESSAGE_SUBSCRIPTION"))
