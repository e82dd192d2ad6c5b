"""The house is as it was laid out: order, sizes, and no waiting by the clock."""

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


def test_one_module_knows_the_order():
    """Only the service opens the stages, and so only it closes them."""
    opened = {
        "exporter.spool.open_spool",
        "exporter.delivery.Delivery",
        "exporter.ingest.Ingest",
    }

    assert {name_of(path) for path in FILES if len(imports(path) & opened) > 1} == {
        "exporter/service.py"
    }


def test_only_settings_read_the_environment():
    """What a setting may be is said in one place; processes we start inherit ours."""
    readers = {
        name_of(path)
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    }

    assert {each for each in readers if not each.startswith("exporter/bundle/")} == {
        "exporter/broker/takeover.py",
        "exporter/broker/wanted.py",
        "exporter/config/reading.py",
        "exporter/config/settings.py",
        "exporter/config/variables.py",
    }


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
