"""The name of an index tells the physical tenant, and whether to read its records."""

import json

import pytest

from exporter.events import CATALOG, EVERYTHING, Mapper, Selection, mapping
from tests import recorded
from tests.records import a_record, line


def index_of(value_type):
    """Return the name of the index for *value_type*."""
    name = value_type.lower().replace("_", "-")
    return f"zeebe-record_{name}_8.6.0_2026-11-23".encode()


def after(*value_types, **changes):
    """Return a mapper that has read a record of each of the *value_types*."""
    mapper = Mapper(**changes)
    for value_type in value_types:
        mapper.event(line(a_record(valueType=value_type, intent="INVENTED_LATER")))
    return mapper


@pytest.mark.parametrize(
    "index, skipped",
    [
        (b"zeebe-record_job_8.5.8_2026-11", True),
        (b"zeebe-record_job-batch_8.10.0_2026-11-23", True),
        (b"other-prefix_job_8.6.0_2026-11-23", True),
        (b"_job_8.6.0_2026-11-23", True),
        (b"zeebe-record_user-task_8.6.0_2026-11-23", False),
        (b"job_user-task_8.6.0_2026-11-23", False),
        (b"zeebe-record_invented-later_8.12.0_2027-01-01", False),
        # The name doesn't tell, so the record has to:
        (b"odd_prefix_job_8.6.0_2026-11-23", False),
        (b"zeebe-record_job_8.6.0_2026_11_23", False),
        (b"zeebe-record_job", False),
        (b"job", False),
        (b"", False),
        (b"\xff_\xff_\xff_\xff", False),
        (b"zeebe-record_job_8.6.0_" + 300 * b"2", False),
    ],
)
def test_records_of_unwanted_types(index, skipped):
    """Records are skipped if their index names a type that was read and not wanted."""
    assert Mapper().tenant_of(index) == "default"
    mapper = after("JOB", "JOB_BATCH", "USER_TASK", "")
    assert mapper.tenant_of(index) == (None if skipped else "default")


def test_a_type_that_looks_like_a_wanted_one():
    """A strange value type doesn't hide the records of a wanted type."""
    assert after("User-Task", "user_task").tenant_of(index_of("USER_TASK"))


def test_the_number_of_types(monkeypatch):
    """The memory for unwanted types is limited."""
    monkeypatch.setattr(mapping, "MOST_TYPES", 2)
    mapper = after("A", "B", "C")

    tenants = [mapper.tenant_of(index_of(each)) for each in "ABC"]
    assert tenants == [None, None, "default"]


@pytest.mark.parametrize("each", CATALOG, ids=lambda each: each.name)
def test_what_any_backend_selects(each):
    """Records are read if any backend selects their type."""
    term = f"{each.name}[*]" if each.brackets else each.name
    selections = {"a": Selection("user-task"), "b": Selection(term)}
    value_types = {other.value_type for other in CATALOG} | {"DEPLOYMENT", "JOB_BATCH"}

    mapper = after(*value_types, selections=selections)

    read = {each for each in value_types if mapper.tenant_of(index_of(each))}
    assert read == {"USER_TASK", each.value_type}


@pytest.mark.parametrize("version", recorded.VERSIONS)
def test_recorded_types(version):
    """Every recorded value type that has no event is skipped after its first record."""
    mapper = Mapper({"": Selection(EVERYTHING)})
    documents = recorded.everything(version)
    for document in documents:
        mapper.event(document)

    found = {json.loads(document)["valueType"] for document in documents}
    read = {each for each in found if mapper.tenant_of(index_of(each))}
    assert read == found & {each.value_type for each in CATALOG}


@pytest.mark.parametrize(
    "prefix, tenant",
    [
        ("zeebe-record", "default"),
        ("zeebe-record-east", "east"),
        ("zeebe-record-us-east-1", "us-east-1"),
        ("zeebe-record-default", "default"),
        ("zeebe-record-", "default"),
        ("zeebe-records-east", "default"),
        ("my-zeebe-record-east", "default"),
        ("east", "default"),
        ("zeebe-record-größe,1 x", "gr%C3%B6%C3%9Fe%2C1%20x"),
        ("zeebe-record-a\r\nb", "a%0D%0Ab"),
        ("zeebe-record-" + 300 * "a", "default"),
    ],
)
@pytest.mark.parametrize("rest", ["_user-task_8.10.0_2026-11-23", "_user-task", ""])
def test_physical_tenants(prefix, rest, tenant):
    """After the default prefix, the index name has the physical tenant."""
    assert Mapper().tenant_of(f"{prefix}{rest}".encode()) == tenant
