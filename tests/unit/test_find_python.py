"""Whoever lacks a Python that serves is told so in one sentence, with the remedy."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "find-python"


def install(directory, name, version, *, venv=True):
    """Put an interpreter into *directory* that knows its version and its modules."""
    old = tuple(map(int, version.split("."))) < (3, 11)
    interpreter = directory / name
    interpreter.write_text(
        f"""\
#!/bin/sh
case "$2" in
    *version_info*) echo {version}; exit {int(old)} ;;
    *venv*) exit {int(not venv)} ;;
esac
"""
    )
    interpreter.chmod(0o755)


@pytest.fixture
def find(tmp_path):
    """Return a function that looks for a Python among those in *tmp_path*."""

    def run(**variables):
        return subprocess.run(
            ["/bin/sh", SCRIPT],
            env={"PATH": str(tmp_path)} | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def said(run):
    """Return the one sentence that *run* ended with."""
    assert (run.returncode, run.stdout) == (1, "")
    (sentence,) = run.stderr.splitlines()
    return sentence


def test_no_python(find):
    """Without any Python the sentence says which one, and how to get it."""
    sentence = said(find())

    assert sentence.startswith("Python 3.11 or later is needed: install it (Debian 12")
    assert sentence.endswith("and run make again.")


def test_a_python_that_is_too_old(find, tmp_path):
    """An old Python is as good as none."""
    install(tmp_path, "python3", "3.10")

    assert said(find()).startswith("Python 3.11 or later is needed: install it")


def test_no_venv_module(find, tmp_path):
    """A Python without its venv module is named, with the package that has it."""
    install(tmp_path, "python3", "3.12", venv=False)

    assert said(find()) == (
        "Python 3.12 is here, but without its venv module: install it "
        "(Debian, Ubuntu: apt-get install python3.12-venv) and run make again."
    )


def test_the_newest_that_is_whole(find, tmp_path):
    """The newest Python is taken, of those that have all it needs."""
    install(tmp_path, "python3.13", "3.13", venv=False)
    install(tmp_path, "python3.12", "3.12")
    install(tmp_path, "python3.11", "3.11")

    found = find()

    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == f"{tmp_path}/python3.12\n"


def test_the_one_that_is_asked_for(find, tmp_path):
    """PYTHON narrows the choice to one, and the sentence says when that is none."""
    install(tmp_path, "python3.12", "3.12")
    install(tmp_path, "python3.11", "3.11")

    assert find(PYTHON="python3.11").stdout == f"{tmp_path}/python3.11\n"
    assert said(find(PYTHON="python3.9")).startswith(
        "Python 3.11 or later is needed, and 'python3.9' is not one: install it"
    )
