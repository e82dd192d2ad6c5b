"""The package is built as planned: order, sizes, and no waiting by the clock."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
KINDS = ("devkit", "unit", "service", "faults", "integration", "image", "kube")
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def modules(folder, part=""):
    """Return the syntax of the modules in *folder* that contain *part*, by path."""
    return {
        str(path.relative_to(ROOT)): ast.parse(text)
        for path in sorted((ROOT / folder).rglob("*.py"))
        if part in (text := path.read_text(encoding="utf-8"))
    }


def test_only_the_service_opens_stages():
    """Only the service opens the stages, and so only it closes them."""
    opened = {"open_spool", "Delivery", "Ingest"}
    imported = {
        path: {alias.name for node in ast.walk(tree) for alias in names(node)}
        for path, tree in modules("exporter").items()
    }

    assert [path for path in imported if len(imported[path] & opened) > 1] == [
        "exporter/service.py"
    ]


def names(node):
    """Return the names that *node* imports from another module."""
    return node.names if isinstance(node, ast.ImportFrom) else []


def test_only_settings_read_the_environment():
    """The rules of a setting are in one place; processes we start inherit ours."""
    readers = {
        path
        for path, tree in modules("exporter").items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    }

    assert {each for each in readers if not each.startswith("exporter/bundle/")} == {
        "exporter/broker/takeover.py",
        "exporter/broker/wanted.py",
        "exporter/config/reading.py",
        "exporter/config/settings.py",
        "exporter/config/variables.py",
    }


def test_modules_stay_small():
    """No module has more than 300 lines, and no function more than 50."""
    both = modules("exporter") | modules("devkit")
    lengths = {path: len((ROOT / path).read_bytes().splitlines()) for path in both}
    lengths |= {
        f"{path}: {node.name}": (node.end_lineno - node.lineno + 1) * 6
        for path, tree in both.items()
        for node in ast.walk(tree)
        if isinstance(node, FUNCTIONS)
    }

    assert [name for name, length in lengths.items() if length > 300] == []


def test_no_test_waits_by_the_clock():
    """Only `eventually` sleeps, and stubs that are slow on purpose."""
    found = [
        f"{path}:{line}"
        for kind in KINDS
        for path, tree in modules(f"tests/{kind}", ".sleep(").items()
        for line in sleeps(tree)
    ]

    assert found == []


def sleeps(node):
    """Yield the lines that sleep for longer than one turn of the loop."""
    for child in ast.iter_child_nodes(node):
        name = getattr(child, "name", None) or ""
        if name == "eventually" or "stub" in name.lower():
            continue
        is_sleep = getattr(getattr(child, "func", None), "attr", "") == "sleep"
        if is_sleep and ast.unparse(child.args) != "0":
            yield child.lineno
        yield from sleeps(child)
