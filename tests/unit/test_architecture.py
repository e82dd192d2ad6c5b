"""The house is as it was laid out: imports, sizes, and no waiting by the clock."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "exporter"
FILES = sorted(PACKAGE.rglob("*.py"))
TESTS = [
    path
    for kind in ("devkit", "unit", "service", "faults", "integration", "image", "kube")
    for path in sorted((ROOT / "tests" / kind).rglob("*.py"))
]

RIG = sorted((ROOT / "devkit").rglob("*.py"))

SHARED = {"__version__", "codec", "errors", "proxies", "reread", "texts", "tls"}
STAGES = {
    "events": SHARED,
    "spool": SHARED | {"events"},
    "ingest": SHARED | {"events", "spool"},
    "delivery": SHARED | {"events", "spool"},
}

# What would let the same arguments have another result.
IMPURE = {"asyncio", "logging", "os", "random", "socket", "time"}


def name_of(path):
    """Return what a test's title calls *path*."""
    return str(path.relative_to(ROOT))


def tree(path):
    """Return the syntax of *path*."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path):
    """Return the dotted names *path* imports; `from a import b` is a.b."""
    names = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "an import that is relative hides where it leads"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def importers(package):
    """Return the files that import *package*."""
    return {
        name_of(path)
        for path in FILES
        if any(name.split(".")[0] == package for name in imports(path))
    }


@pytest.mark.parametrize("stage", STAGES)
def test_stages_import_what_they_need(stage):
    """Imports follow the flow of data, and no stage looks inside another."""
    for path in sorted((PACKAGE / stage).rglob("*.py")):
        for name in imports(path):
            top, *below = name.split(".")
            if top != "exporter" or below[0] == stage:
                continue
            assert below[0] in STAGES[stage], f"{name_of(path)} imports {name}"
            inside = below[0] in STAGES and PACKAGE.joinpath(*below[:2])
            face = not inside or not inside.with_suffix(".py").exists()
            assert face, f"{name_of(path)} looks into {name}"


def test_events_are_pure():
    """What becomes of a record depends on nothing but the record."""
    for path in sorted((PACKAGE / "events").rglob("*.py")):
        tops = {name.split(".")[0] for name in imports(path)}
        assert tops.isdisjoint(IMPURE), name_of(path)


def test_one_module_knows_the_order():
    """Service opens the stages and closes them; else only watchers see all of them."""
    opened = {
        "exporter.spool.open_spool",
        "exporter.delivery.Delivery",
        "exporter.ingest.Ingest",
    }

    assert {name_of(path) for path in FILES if len(imports(path) & opened) > 1} == {
        "exporter/service.py"
    }
    assert {
        name_of(path)
        for path in FILES
        if len(stages_of(path)) > 2 and path.parent.name != "operations"
    } == {"exporter/service.py"}


def stages_of(path):
    """Return the stages that *path* imports from, apart from its own."""
    tops = {name.split(".")[1] for name in imports(path) if name[:9] == "exporter."}
    return (tops & STAGES.keys()) - {path.parent.name}


def test_one_module_knows_the_encoder():
    """Another JSON library is one line away."""
    assert importers("ujson") == {"exporter/base/codec.py"}
    assert importers("orjson") == set()


def test_only_the_spool_knows_sql():
    """Nobody else opens the database, and nobody else could leave it in pieces."""
    assert all(name.startswith("exporter/spool/") for name in importers("sqlite3"))


def test_only_settings_read_the_environment():
    """What a setting may be is said in one place; processes we start inherit ours."""
    readers = {
        name_of(path)
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    }

    assert {
        name for name in readers if not name.startswith("exporter/distribution/")
    } == {
        "exporter/config/reading.py",
        "exporter/config/names.py",
        "exporter/config/variables.py",
    }


def test_the_brokers_environment_depends_on_its_arguments():
    """What a broker needs is asked for in many places, and answered alike in all."""
    tops = {
        name.split(".")[0]
        for name in imports(PACKAGE / "distribution" / "broker_environment.py")
    }

    assert tops.isdisjoint(IMPURE)


def test_the_package_stands_alone():
    """The exporter needs neither the test rig nor the tests."""
    assert importers("devkit") == importers("tests") == set()


@pytest.mark.parametrize("path", [*FILES, *RIG], ids=name_of)
def test_modules_stay_small(path):
    """A module that outgrows 300 lines has become two, a function of 50 as well."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
    assert [
        node.name
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno >= 50
    ] == []


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_no_test_waits_by_the_clock(path):
    """Only `eventually` sleeps, and stubs that are slow on purpose."""
    assert list(sleeps(tree(path))) == []


def sleeps(node):
    """Yield the lines that sleep for longer than one turn of the loop."""
    for child in ast.iter_child_nodes(node):
        name = getattr(child, "name", None) or ""
        if name == "eventually" or "stub" in name.lower():
            continue
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Attribute):
            module, argument = ast.unparse(child.func.value), ast.unparse(child.args)
            if child.func.attr == "sleep" and module in ("time", "asyncio"):
                yield from [f"line {child.lineno}"] if argument != "0" else []
        yield from sleeps(child)
