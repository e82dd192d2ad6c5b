"""The pages say what the code says."""

import ast
import re
from pathlib import Path

import pytest
import yaml

import exporter
from exporter.config import settings
from exporter.config.backend import prefix_of, settings_of
from exporter.watch.metrics import NAMESPACE
from exporter.watch.service import ServiceObserver
from scripts import docs

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("docs/**/*.yaml")]
LOGGED = ("log.warning", "log.error", "log.critical", "log.exception")


def text_of(path):
    """Return the text of the file *path* of the project."""
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", docs.GENERATED, ids=lambda page: page.name)
def test_generated_pages(page):
    """What is generated is what the code declares now; `make docs` repairs it."""
    assert page.read_text(encoding="utf-8") == docs.filled(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_in_pages(page):
    """Links, files, settings and metrics that a page names exist."""
    text = page.read_text(encoding="utf-8")
    named = {
        *(page.parent / x for x in re.findall(r"\]\((?!https?:|#)([^)#]+)", text)),
        *(
            ROOT / x
            for x in re.findall(r"`((?:exporter|tests|scripts)/[\w/]+\.\w+)`", text)
        ),
    }

    assert [each for each in named if not each.exists()] == []
    assert set(re.findall(r"APP_INTEGRATIONS_[A-Z_]*[A-Z]", text)) <= variables()
    assert set(re.findall(rf"\b{NAMESPACE}_\w+", text)) <= metrics()


def variables():
    """Return all variables of ours, also of the backends that the pages name."""
    named = [each for name in ("teams", "audit") for each in settings_of(name)]
    known = {each.variable for each in (*settings.DECLARED, *named)}
    known |= {f"{name}_FILE" for name in known}
    return known | {prefix_of(name).rstrip("_") for name in ("teams", "audit")}


def metrics():
    """Return the names of all metrics, and of the histograms."""
    families = list(ServiceObserver().metrics.collect())
    samples = {sample.name for family in families for sample in family.samples}
    return samples | {each.name for each in families if each.type == "histogram"}


def test_compose_starts_what_is_built():
    """Without variables Compose takes the images that `make image` makes."""
    pattern = r"^ARG CAMUNDA_IMAGE=.*:(.+)"
    (base,) = re.findall(pattern, text_of("docker/Dockerfile"), re.MULTILINE)
    name, version = "app-integrations-exporter", exporter.__version__

    compose = text_of("docs/install/compose.yaml")

    assert re.findall(r"image: \$\{\w+_IMAGE:-(.+)\}", compose) == [
        f"{name}:{base}-app-integrations-{version}",
        f"{name}:{version}",
    ]


def test_make_help_names_every_target():
    """A target that `make help` doesn't explain is not for people."""
    makefile = text_of("Makefile")
    phony = re.findall(r"^\.PHONY: (.*)", makefile, re.MULTILINE)

    for target in " ".join(phony).split():
        assert re.search(rf"^(\w+ )*{target}( \w+)*:.* ## ", makefile, re.MULTILINE)


def test_scenarios_exist():
    """What docs/testing.md leaves to a real engine is a scenario, by its name."""
    tests = "".join(map(text_of, ROOT.glob("tests/integration/*.py")))

    named = set(re.findall(r"`(test_\w+)`", text_of("docs/testing.md")))

    assert named
    assert named <= set(re.findall(r"def (test_\w+)", tests))


def test_changelog_knows_the_version():
    """Its newest section is this version or unreleased."""
    newest = re.search(r"^## \[(.+?)\]", text_of("CHANGELOG.md"), re.MULTILINE)

    assert newest[1] in {exporter.__version__, "Unreleased"}


def test_log_messages_are_explained():
    """Each warning and each error of the log has a row in docs/operations.md."""
    page = text_of("docs/operations.md")
    heads = "\n".join(re.findall(r"^\| (`.*?) \|", page, re.MULTILINE))
    rows = tuple(re.sub(r":? \.\.\.$", "", x) for x in re.findall("`(.*?)`", heads))
    messages = [
        call.args[0].value
        for file in (ROOT / "exporter").rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) in LOGGED
        and isinstance(call.args[0], ast.Constant)
    ]

    assert len(messages) >= 20
    assert [each for each in messages if not each.startswith(rows)] == []


def test_alerts_say_what_to_do():
    """Each alert has an expression, waits a little, and says what to do."""
    _, _, rules = text_of("docs/operations.md").partition("```yaml\n")
    groups = yaml.safe_load(rules.partition("```")[0])["groups"]

    for alert in (rule for group in groups for rule in group["rules"]):
        assert {"alert", "expr", "for"} <= alert.keys()
        assert {"summary", "description"} <= alert["annotations"].keys()
        assert alert["labels"]["severity"]
