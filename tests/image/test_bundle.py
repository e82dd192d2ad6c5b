"""The bundle needs only a C library from an image, and leaves no trace."""

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
def binaries(bundle):
    """Return the libraries and executables of the bundle."""
    files = [path for path in bundle.rglob("*") if path.is_file()]
    return [path for path in files if path.read_bytes()[:4] == b"\x7fELF"]


def test_an_older_c_library_will_do(binaries):
    """No file of the bundle needs a symbol that is newer than GLIBC_2.35."""
    needed = {
        (number(version.name), binary.name)
        for binary in binaries
        for versions in needed_versions(binary)
        for version in versions
        if version.name.startswith("GLIBC_2")
    }

    assert len(binaries) > 20
    assert {(glibc, name) for glibc, name in needed if glibc > OLDEST_GLIBC} == set()


def test_no_other_library_is_needed(binaries):
    """The bundle's libraries are in the bundle, except the C library."""
    there = {binary.name for binary in binaries}
    needed = {name for binary in binaries for name in needed_libraries(binary)}

    assert {name for name in needed - there if not GLIBC.fullmatch(name)} == set()


def test_the_demo_stays_out(bundle):
    """The bundle contains neither the demo with its libraries nor tests."""
    modules = (bundle / "app-integrations-exporter").read_bytes()

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


def needed_versions(binary):
    """Yield the versions of symbols that *binary* needs, by library."""
    with binary.open("rb") as stream:
        for section in ELFFile(stream).iter_sections():
            if isinstance(section, GNUVerNeedSection):
                yield from (list(versions) for _, versions in section.iter_versions())


def needed_libraries(binary):
    """Yield the libraries that *binary* is linked to."""
    with binary.open("rb") as stream:
        for section in ELFFile(stream).iter_sections():
            if isinstance(section, DynamicSection):
                yield from (tag.needed for tag in section.iter_tags("DT_NEEDED"))


def number(version):
    """Return a version such as GLIBC_2.35 as (2, 35)."""
    return tuple(map(int, version.removeprefix("GLIBC_").split(".")))
