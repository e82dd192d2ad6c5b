"""`scripts/find-python` prints a usable Python, or what is missing and the remedy."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "find-python"
INTERPRETER = """\
#!/bin/sh
case "$2" in
    *version_info*) echo {version}; exit {old} ;;
    *venv*) exit {without} ;;
esac
"""


@pytest.fixture
def find(tmp_path):
    """Return a function that looks for a Python among some, by their versions."""

    def find(*versions, without_venv=(), **variables):
        for version in versions:
            old, without = version == "3.10", version in without_venv
            text = INTERPRETER.format(version=version, old=+old, without=+without)
            interpreter = tmp_path / ("python3" if old else f"python{version}")
            interpreter.write_text(text)
            interpreter.chmod(0o755)
        return subprocess.run(
            ["/bin/sh", SCRIPT],
            env={"PATH": str(tmp_path)} | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    return find


@pytest.mark.parametrize(
    "versions, variables, problem",
    [
        ([], {}, "Python 3.11 or later is needed: install it"),
        (["3.10"], {}, "Python 3.11 or later is needed: install it"),
        (["3.12"], {"PYTHON": "python3.9"}, "needed, and 'python3.9' is not one: in"),
        (["3.14"], {}, "Python 3.14 is here, but without its venv module: install it"),
    ],
)
def test_none(find, versions, variables, problem):
    """Without a usable Python, one sentence has the problem and the remedy."""
    done = find(*versions, without_venv=["3.14"], **variables)

    assert (done.returncode, done.stdout) == (1, "")
    (sentence,) = done.stderr.splitlines()
    assert problem in sentence
    assert "apt-get install python3" in sentence
    assert sentence.endswith("and run make again.")


@pytest.mark.parametrize(
    "variables, name", [({}, "python3.12"), ({"PYTHON": "python3.11"}, "python3.11")]
)
def test_found(find, tmp_path, variables, name):
    """The newest Python with all it needs is taken, or the one in PYTHON."""
    done = find("3.13", "3.12", "3.11", without_venv=["3.13"], **variables)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path}/{name}\n"
