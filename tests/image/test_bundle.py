"""The bundle needs only a C library from an image, and leaves no trace."""

import io
import json
import re
import subprocess
import sys

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

from tests.image.docker import ROOT

# The version in Ubuntu 22.04, the base of the oldest official image.
OLDEST_GLIBC = (2, 35)

# Libraries that belong to the C library.
GLIBC = re.compile(r"(ld-linux.*|lib(c|m|dl|pthread|rt|util))\.so\.\d")


@pytest.fixture(scope="session")
def binaries(images, added):
    """Return the libraries and executables of the bundle by path."""
    files = added[images.standalone]
    elf = {path: files[path] for path in files if files[path].startswith(b"\x7fELF")}
    return {path: ELFFile(io.BytesIO(elf[path])) for path in elf}


def test_an_older_c_library_will_do(binaries):
    """No file of the bundle needs a symbol that is newer than GLIBC_2.35."""
    newer = {
        (version.name, path)
        for path, binary in binaries.items()
        for section in sections(binary, GNUVerNeedSection)
        for _, versions in section.iter_versions()
        for version in versions
        if version.name.startswith("GLIBC_2") and number(version.name) > OLDEST_GLIBC
    }

    assert len(binaries) > 20
    assert newer == set()


def test_no_other_library_is_needed(binaries):
    """The bundle's libraries are in the bundle, except the C library."""
    there = {path.rpartition("/")[2] for path in binaries}
    needed = {
        tag.needed
        for binary in binaries.values()
        for section in sections(binary, DynamicSection)
        for tag in section.iter_tags("DT_NEEDED")
    }

    assert {name for name in needed - there if not GLIBC.fullmatch(name)} == set()


def test_the_demo_stays_out(images, added):
    """The bundle contains neither the demo with its libraries nor tests."""
    modules = added[images.standalone]["opt/app-integrations/app-integrations-exporter"]

    assert b"exporter.service" in modules
    for stranger in (b"devkit", b"rich.console", b"pytest", b"hypothesis"):
        assert stranger not in modules


@pytest.mark.parametrize("before", [{}, {"LD_LIBRARY_PATH": "/opt/others"}])
def test_a_broker_inherits_nothing(before):
    """The environment is as before the bundle's loader."""
    loader = {
        "LD_LIBRARY_PATH": ":".join(["/opt/ours", *before.values()]),
        "_PYI_ARCHIVE_FILE": "/opt/ours/entrypoint",
        "_PYI_LINUX_PROCESS_NAME": "entrypoint",
        "_PYI_PARENT_PROCESS_LEVEL": "1",
    } | {f"{name}_ORIG": value for name, value in before.items()}
    script = (
        "import json, os, runpy, sys; runpy.run_path(sys.argv[1]); "
        "print(json.dumps(dict(os.environ)))"
    )

    hook = ROOT / "docker" / "leave_no_trace.py"
    run = subprocess.run(
        [sys.executable, "-I", "-c", script, hook],
        env={"A": "1"} | loader,
        capture_output=True,
        check=True,
    )

    left = json.loads(run.stdout)
    left.pop("LC_CTYPE", None)  # set by Python without a locale
    assert left == {"A": "1"} | before


def sections(binary, kind):
    """Return the sections of *binary* that are of *kind*."""
    return [each for each in binary.iter_sections() if isinstance(each, kind)]


def number(version):
    """Return a version such as GLIBC_2.35 as (2, 35)."""
    return tuple(map(int, version.removeprefix("GLIBC_").split(".")))
