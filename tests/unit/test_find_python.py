"""scripts/find-python finds a Python, or says in one sentence what to install."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "find-python"
NONE = "Python 3.11 or later is needed"


@pytest.fixture
def find(tmp_path):
    """Return a function that looks for a Python among *versions*, some without venv."""

    def run(*versions, no_venv=(), **variables):
        for version in versions:
            old = tuple(map(int, version.split("."))) < (3, 11)
            interpreter = tmp_path / ("python3" if old else f"python{version}")
            interpreter.write_text(
                f"""\
#!/bin/sh
case "$2" in
    *version_info*) echo {version}; exit {int(old)} ;;
    *venv*) exit {int(version in no_venv)} ;;
esac
"""
            )
            interpreter.chmod(0o755)
        return subprocess.run(
            ["/bin/sh", SCRIPT],
            env={"PATH": str(tmp_path)} | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def sentence(run):
    """Return the one sentence that *run* ended with."""
    assert (run.returncode, run.stdout) == (1, "")
    (line,) = run.stderr.splitlines()
    return line


@pytest.mark.parametrize("versions", [[], ["3.10"]])
def test_no_python_or_an_old_one(find, versions):
    """The sentence says which Python is needed, and how to get it."""
    text = sentence(find(*versions))

    assert text.startswith(f"{NONE}: install it (Debian 12")
    assert text.endswith("and run make again.")


def test_no_venv_module(find):
    """A Python without its venv module is named, with the package that has it."""
    text = sentence(find("3.12", no_venv=["3.12"]))

    assert text.startswith("Python 3.12 is here, but without its venv module")
    assert "apt-get install python3.12-venv" in text


def test_the_newest_that_is_whole(find, tmp_path):
    """The newest Python is taken, of those that have all it needs."""
    found = find("3.13", "3.12", "3.11", no_venv=["3.13"])

    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == f"{tmp_path}/python3.12\n"


def test_the_one_that_is_asked_for(find, tmp_path):
    """PYTHON narrows the choice to one, and the sentence says when that is none."""
    found = find("3.12", "3.11", PYTHON="python3.11")

    assert found.stdout == f"{tmp_path}/python3.11\n"
    text = sentence(find("3.12", PYTHON="python3.9"))
    assert text.startswith(f"{NONE}, and 'python3.9' is not one: install it")
