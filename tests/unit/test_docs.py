"""What is written about the code is what the code says."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

import exporter
from exporter.config import settings
from exporter.config.backend import prefix_of, settings_of
from exporter.watch.metrics import NAMESPACE
from exporter.watch.service import ServiceObserver
from scripts import docs

ROOT = Path(__file__).parents[2]
LOGGED = ("log.warning", "log.error", "log.critical", "log.exception")


@pytest.mark.parametrize("page", docs.GENERATED)
def test_generated_pages(page):
    """What is generated is what the code declares now; `make docs` repairs it."""
    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == docs.filled(page)


def test_every_reason_is_given():
    """Each runtime dependency and each rule that isn't followed has its comment."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)

    for listed in (
        project["project"]["dependencies"],
        project["tool"]["ruff"]["lint"]["ignore"],
    ):
        for entry in listed:
            before, quoted, after = text.partition(f'"{entry}"')
            said = after.splitlines()[0] + before.splitlines()[-2]
            assert quoted
            assert "# " in said, f"{entry} has no reason"


def test_links_lead_somewhere():
    """Every relative link of a page names a file that exists."""
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_pages_name_files_that_exist():
    """Every source file that a page names exists."""
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"`((?:exporter|tests|scripts)/[\w/]+\.\w+)`", text):
            assert (ROOT / name).exists(), f"{page.name}: {name}"


def test_pages_speak_of_settings_that_exist():
    """No page names a variable of ours that nothing reads."""
    known = {declared.variable for declared in settings.DECLARED}
    for name in ("teams", "audit"):  # as the pages call backends
        known |= {each.variable for each in settings_of(name)}
        known.add(prefix_of(name).rstrip("_"))
    known |= {f"{name}_FILE" for name in known}
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.*")]:
        named = re.findall(r"APP_INTEGRATIONS_[A-Z_]*[A-Z]", page.read_text("utf-8"))
        assert set(named) <= known, page.name


def test_compose_starts_what_is_built():
    """Without variables Compose takes the images that `make image` makes."""
    compose = (ROOT / "docs" / "install" / "compose.yaml").read_text(encoding="utf-8")
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    (base,) = re.findall(r"^ARG CAMUNDA_IMAGE=.*:(.+)", dockerfile, re.MULTILINE)
    name, version = "app-integrations-exporter", exporter.__version__

    images = re.findall(r"image: \$\{\w+_IMAGE:-(.+)\}", compose)

    both = f"{name}:{base}-app-integrations-{version}"
    assert images == [both, f"{name}:{version}"]


def test_make_help_names_every_target():
    """A target that `make help` doesn't explain is not for people."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (*phony,) = re.findall(r"^\.PHONY: (.*)", makefile, re.MULTILINE)

    for target in " ".join(phony).split():
        assert re.search(rf"^(\w+ )*{target}( \w+)*:.* ## ", makefile, re.MULTILINE)


def test_scenarios_exist():
    """What docs/testing.md leaves to a real engine is a scenario, by its name."""
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    files = ROOT.glob("tests/integration/*.py")
    tests = "".join(path.read_text(encoding="utf-8") for path in files)

    named = set(re.findall(r"`(test_\w+)`", page))

    assert named
    assert named <= set(re.findall(r"def (test_\w+)", tests))


def test_changelog_knows_the_version():
    """Its newest section is this version or unreleased, and none is ahead of it."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest, *older = re.findall(r"^## \[(.+?)\]", changelog, re.MULTILINE)

    assert newest in {exporter.__version__, "Unreleased"}
    assert all(number(text) <= number(exporter.__version__) for text in older)


def number(version):
    """Return *version* as one that can be compared."""
    return tuple(map(int, version.split(".")))


def test_pages_speak_of_metrics_that_exist():
    """No page, and none of its alerts, names a metric or a label that isn't there."""
    families = list(ServiceObserver().registry.collect())
    there = {sample.name for family in families for sample in family.samples}
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        text = page.read_text("utf-8")
        named = set(re.findall(rf"\b{NAMESPACE}_\w+", text))
        histograms = {name for name in named if f"{name}_count" in there}
        assert named - histograms <= there, page.name


def test_log_messages_are_explained():
    """Each warning and each error of the log has a row in docs/operations.md."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    heads = "\n".join(re.findall(r"^\| (`.*?) \|", page, re.MULTILINE))
    rows = tuple(re.sub(r":? \.\.\.$", "", x) for x in re.findall("`(.*?)`", heads))
    messages = [
        (call.args[0].value, f"{file.name}:{call.lineno}")
        for file in (ROOT / "exporter").rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) in LOGGED
        and isinstance(call.args[0], ast.Constant)
    ]

    assert len(messages) >= 20
    assert [place for text, place in messages if not text.startswith(rows)] == []


def test_alerts_say_what_to_do():
    """Each of the rules has an expression, waits a little, and tells what to do."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    _, _, rules = page.partition("```yaml\n")
    rules, _, _ = rules.partition("```")
    alerts = rules.split("- alert: ")[1:]

    assert len(alerts) >= 5
    for alert in alerts:
        for needed in ("expr: ", "for: ", "severity: ", "summary: ", "description: "):
            assert needed in alert
