"""Several backends have their own settings, and share all except credentials."""

import os
from unittest import mock

import pytest

from exporter.config import settings, variables
from exporter.config.declaration import PREFIX
from exporter.config.settings import SettingsError

TWO = {
    "BACKENDS": "teams, audit",
    "BACKEND_TEAMS_URL": "https://teams.example",
    "BACKEND_AUDIT_URL": "https://audit.example",
}


def loaded(**more):
    """Return the settings of two backends with *more* variables."""
    named = {PREFIX + name: value for name, value in (TWO | more).items()}
    with mock.patch.dict(os.environ, named):
        return settings.load()


def mistakes(**more):
    """Return the mistakes in *more* variables, added to those of two backends."""
    with pytest.raises(SettingsError) as raised:
        loaded(**more)
    return [line.replace(PREFIX, "") for line in raised.value.mistakes]


def test_each_has_its_own():
    """A variable with a backend's name is a setting of that backend only."""
    teams, audit = loaded(
        BACKEND_TEAMS_API_KEY="secret", BACKEND_AUDIT_EVENTS="incident"
    ).backends.values()

    assert (teams.name, teams.url, teams.api_key) == (
        "teams",
        "https://teams.example",
        "secret",
    )
    assert (audit.name, audit.url, audit.api_key) == (
        "audit",
        "https://audit.example",
        "",
    )
    assert audit.events == "incident"


def test_plain_names_are_for_all():
    """A missing setting falls back to the variable without a name."""
    teams, audit = loaded(
        BATCH_SIZE="7", BACKEND_AUDIT_BATCH_SIZE="9"
    ).backends.values()

    assert (teams.batch_size, audit.batch_size) == (7, 9)


def test_secrets_in_files(tmp_path):
    """A file with a backend's secret is read again when it changes."""
    file = tmp_path / "key"
    file.write_text("first", encoding="utf-8")
    teams = loaded(BACKEND_TEAMS_API_KEY_FILE=str(file)).backends["teams"]

    file.write_text("another", encoding="utf-8")

    assert teams.watched("api_key").current() == "another"


@pytest.mark.parametrize(
    "name",
    ["URL", "API_KEY", "API_KEY_FILE", "HEADERS", "OAUTH_CLIENT_ID", "TLS_CERT_PATH"],
)
def test_a_credential_without_a_backend(name):
    """A URL or a credential without the name of a backend is refused."""
    (mistake,) = mistakes(**{name: "https://a.example"})

    assert mistake.startswith(f"{name} is set together with BACKENDS")
    assert mistake.endswith(f"BACKEND_TEAMS_{name}")


def test_mistakes_name_the_variable():
    """A mistake names its variable, and a shared mistake is reported once."""
    found = mistakes(BATCH_SIZE="0", BACKEND_AUDIT_URL="", BACKEND_TEAMS_EVENTS="x")

    assert [line.split()[0] for line in found] == [
        "BATCH_SIZE",
        "BACKEND_TEAMS_EVENTS",
        "BACKEND_AUDIT_URL",
    ]
    assert "term 1 (x): there is no type x" in found[1]


def test_conflicts_name_the_variable():
    """A conflict between two settings of a backend names the backend's variables."""
    found = mistakes(BACKEND_AUDIT_OAUTH_CLIENT_ID="a")

    names = ("CLIENT_SECRET", "AUTHORIZATION_SERVER_URL")
    for name, line in zip(names, found, strict=True):
        assert line.startswith(f"BACKEND_AUDIT_OAUTH_{name} is not set")
        assert "BACKEND_AUDIT_OAUTH_CLIENT_ID" in line


@pytest.mark.parametrize(
    "names,why",
    [
        ("Teams", "'Teams' can't be a name"),
        ("teams,", "'' can't be a name"),
        ("default", "default is the name of a single backend"),
        ("a b", "'a b' can't be a name"),
        ("teams, audit, teams", "teams is listed twice"),
    ],
)
def test_names(names, why):
    """Names are short and plain, and each is listed once."""
    assert mistakes(BACKENDS=names)[-1].startswith(f"BACKENDS is '{names}': {why};")


def test_names_in_a_file(tmp_path):
    """A file may hold the list, and then the variables it names are known."""
    file = tmp_path / "names"
    file.write_text("teams, audit\n", encoding="utf-8")
    named = TWO | {"BACKENDS": "", "BACKENDS_FILE": str(file)}
    with mock.patch.dict(os.environ, {PREFIX + n: v for n, v in named.items()}):
        assert list(settings.load().backends) == ["teams", "audit"]
        assert variables.unknown() == []


def test_a_wrong_list_is_the_only_mistake():
    """If the list can't be used, no other mistake of a backend is reported."""
    assert len(mistakes(BACKENDS="Teams", BACKEND_TEAMS_EVENTS="nonsense")) == 1


def test_unknown_variables():
    """Misspelt variables, and variables of unlisted backends, are reported."""
    named = TWO | {"BACKEND_TEAMS_EVENT": "a", "BACKEND_OLD_URL": "b"}
    with mock.patch.dict(os.environ, {PREFIX + n: v for n, v in named.items()}):
        found = [str(each).replace(PREFIX, "") for each in variables.unknown()]

    assert found == [
        "BACKEND_OLD_URL belongs to a backend that BACKENDS doesn't list",
        "BACKEND_TEAMS_EVENT isn't a setting; did you mean BACKEND_TEAMS_EVENTS?",
    ]


def test_settings_of_the_service():
    """A setting that can't differ between backends is reported by its own name."""
    named = TWO | {"BACKEND_TEAMS_DROP_FIELDS": "a", "BACKEND_TEAMS_SPOOL_DIR": "/b"}
    with mock.patch.dict(os.environ, {PREFIX + n: v for n, v in named.items()}):
        found = [str(each).replace(PREFIX, "") for each in variables.unknown()]

    assert found == [
        "BACKEND_TEAMS_DROP_FIELDS can't be set for one backend; set DROP_FIELDS",
        "BACKEND_TEAMS_SPOOL_DIR can't be set for one backend; set SPOOL_DIR",
    ]


def test_a_list_that_is_wrong_hides_no_cause():
    """If the list can't be used, no variable of a backend is called unknown."""
    named = TWO | {"BACKENDS": "teams audit"}
    with mock.patch.dict(os.environ, {PREFIX + n: v for n, v in named.items()}):
        assert variables.unknown() == []


def test_a_list_that_is_forgotten():
    """URLs of backends without a list are a mistake, not a reason to stand by."""
    assert any(
        line.startswith("BACKENDS is not set, while BACKEND_AUDIT_URL is;")
        for line in mistakes(BACKENDS="")
    )
    assert variables.names_a_backend({f"{PREFIX}BACKEND_TEAMS_URL": "https://a"})


def test_effective():
    """The settings in effect are shown for each backend, with secrets hidden."""
    shown = settings.effective(loaded(BACKEND_TEAMS_API_KEY="secret"))

    assert shown["APP_INTEGRATIONS_BACKEND_TEAMS_API_KEY"] == "(hidden)"
    assert shown["APP_INTEGRATIONS_BACKEND_AUDIT_URL"] == "https://audit.example"
    assert "APP_INTEGRATIONS_URL" not in shown


def test_value_types():
    """The broker exports everything that any backend selects."""
    both = loaded(BACKEND_TEAMS_EVENTS="incident", BACKEND_AUDIT_EVENTS="job, timer")

    assert both.value_types == {"INCIDENT", "JOB", "TIMER"}


def test_a_shared_mistake():
    """A mistake in a shared variable is one mistake, with the name of that variable."""
    for name in ("TLS_CA_PATH", "BACKEND_AUDIT_TLS_CA_PATH"):
        (line,) = mistakes(**{name: "/nowhere"})
        assert line.startswith(f"{name} is '/nowhere' (No such file or directory);")


def test_what_is_missing_belongs_to_one():
    """A credential is never shared, so the mistake has the backend's variable."""
    (mistake,) = mistakes(
        BACKEND_TEAMS_OAUTH_CLIENT_ID="a", BACKEND_TEAMS_OAUTH_CLIENT_SECRET="b"
    )

    assert mistake.startswith("BACKEND_TEAMS_OAUTH_AUTHORIZATION_SERVER_URL is not set")
