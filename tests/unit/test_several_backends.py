"""Several backends have their own settings, and share all except credentials."""

import pytest

from exporter.config import settings, variables
from exporter.config.declaration import PREFIX
from tests.unit import environments

TWO = {
    "URL": "",
    "BACKENDS": "teams, audit",
    "BACKEND_TEAMS_URL": "https://teams.example",
    "BACKEND_AUDIT_URL": "https://audit.example",
}


def loaded(**more):
    """Return the settings of two backends with *more* variables."""
    return environments.loaded(**TWO | more)


def mistakes(**more):
    """Return the mistakes in *more* variables, added to those of two backends."""
    return environments.mistakes(**TWO | more)


def unknown(**more):
    """Return the lines about unknown variables among *more*."""
    return environments.unknown(**TWO | more)


def test_a_blank_list():
    """A list of blanks names no backend, so there is a single one without a name."""
    only = {"BACKEND_TEAMS_URL": "", "BACKEND_AUDIT_URL": "", "URL": "https://a"}

    assert [*loaded(BACKENDS=" ", **only).backends] == ["default"]


def test_names():
    """A setting with a backend's name is its own; others fall back to the plain one."""
    both = loaded(
        BATCH_SIZE="7",
        BACKEND_AUDIT_BATCH_SIZE="9",
        BACKEND_TEAMS_API_KEY="secret",
        BACKEND_AUDIT_EVENTS="incident",
        BACKEND_TEAMS_EVENTS="job, timer",
    )

    teams, audit = both.backends.values()
    assert (teams.name, teams.url) == ("teams", "https://teams.example")
    assert (audit.name, audit.url) == ("audit", "https://audit.example")
    assert (teams.api_key, audit.api_key) == ("secret", "")
    assert (teams.batch_size, audit.batch_size) == (7, 9)
    assert audit.events == "incident"
    assert both.value_types == {"INCIDENT", "JOB", "TIMER"}  # the broker exports all
    shown = settings.effective(both)
    assert shown["APP_INTEGRATIONS_BACKEND_TEAMS_API_KEY"] == "(hidden)"
    assert shown["APP_INTEGRATIONS_BACKEND_AUDIT_URL"] == "https://audit.example"
    assert "APP_INTEGRATIONS_URL" not in shown


def test_the_list_in_a_file(tmp_path):
    """A file may hold the list, and then the variables it names are known."""
    file = tmp_path / "names"
    file.write_text("teams, audit\n", encoding="utf-8")
    named = {"BACKENDS": "", "BACKENDS_FILE": str(file)}

    assert list(loaded(**named).backends) == ["teams", "audit"]
    assert unknown(**named) == []


@pytest.mark.parametrize(
    "name",
    ["URL", "API_KEY", "API_KEY_FILE", "HEADERS", "OAUTH_CLIENT_ID", "TLS_CERT_PATH"],
)
def test_a_credential_without_a_backend(name):
    """A URL or a credential without the name of a backend is refused."""
    (mistake,) = mistakes(**{name: "https://a.example"})

    assert mistake.startswith(f"{name} is set together with BACKENDS")
    assert mistake.endswith(f"BACKEND_TEAMS_{name}")


@pytest.mark.parametrize(
    "named, expected",
    [
        (
            {"BATCH_SIZE": "0", "BACKEND_AUDIT_URL": "", "BACKEND_TEAMS_EVENTS": "x"},
            ["BACKEND_TEAMS_EVENTS is", "BATCH_SIZE is", "BACKEND_AUDIT_URL is not"],
        ),
        (
            {"BACKEND_AUDIT_OAUTH_CLIENT_ID": "a"},
            [
                "BACKEND_AUDIT_OAUTH_CLIENT_SECRET is not",
                "BACKEND_AUDIT_OAUTH_AUTHORIZATION_SERVER_URL is not",
            ],
        ),
        ({"TLS_CA_PATH": "/nowhere"}, ["TLS_CA_PATH is '/nowhere'"]),
        (
            {"BACKEND_AUDIT_TLS_CA_PATH": "/nowhere"},
            ["BACKEND_AUDIT_TLS_CA_PATH is '/nowhere'"],
        ),
        (
            {"BACKENDS": ""},
            [f"BACKEND_{x}_URL is set w" for x in ("AUDIT", "TEAMS")] + ["URL is"],
        ),
    ],
)
def test_mistakes(named, expected):
    """A mistake has its variable's name, and a shared mistake is reported once."""
    found = mistakes(**named)

    assert len(found) == len(expected)
    assert all(map(str.startswith, found, expected))


@pytest.mark.parametrize(
    "names, why",
    [
        ("Teams", "'Teams' can't be a name"),
        ("teams,", "'' can't be a name"),
        ("default", "default is the name of a single backend"),
        ("a b", "'a b' can't be a name"),
        ("teams, audit, teams", "teams is listed twice"),
    ],
)
def test_a_wrong_list(names, why):
    """A wrong list is the only mistake, because no variable can be checked then."""
    (mistake,) = mistakes(BACKENDS=names, BACKEND_TEAMS_EVENTS="nonsense")

    assert mistake.startswith(f"BACKENDS is '{names}': {why};")
    assert unknown(BACKENDS=names) == []


def test_a_list_that_is_forgotten():
    """A backend's URL without a list is a mistake, not a reason to stand by."""
    assert variables.names_a_backend({f"{PREFIX}BACKEND_TEAMS_URL": "https://a"})


@pytest.mark.parametrize(
    "name, problem",
    [
        ("API_KEYFILE", "isn't a setting; did you mean API_KEY_FILE?"),
        ("QQQ", "isn't a setting"),
        ("BACKEND_TEAMS_EVENT", "isn't a setting; did you mean BACKEND_TEAMS_EVENTS?"),
        ("BACKEND_OLD_URL", "belongs to a backend that BACKENDS doesn't list"),
        ("BACKEND_TEAMS_SPOOL_DIR", "can't be set for one backend; set SPOOL_DIR"),
    ],
)
def test_unknown_variables(name, problem):
    """A variable that isn't a setting is reported, perhaps with the right name."""
    assert unknown(**{name: "x"}) == [f"{name} {problem}"]
