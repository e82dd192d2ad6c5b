"""Several backends have settings of their own, and share what is nobody's secret."""

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
    """Return the settings of two backends, and of *more* variables."""
    named = {PREFIX + name: value for name, value in (TWO | more).items()}
    with mock.patch.dict(os.environ, named):
        return settings.load()


def mistakes(**more):
    """Return what is wrong with *more* variables beside those of two backends."""
    with pytest.raises(SettingsError) as raised:
        loaded(**more)
    return [line.replace(PREFIX, "") for line in raised.value.mistakes]


def test_each_has_its_own():
    """What is said with a backend's name is its own."""
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
    """What is said without a name is for all that don't say it themselves."""
    teams, audit = loaded(
        BATCH_SIZE="7", BACKEND_AUDIT_BATCH_SIZE="9"
    ).backends.values()

    assert (teams.batch_size, audit.batch_size) == (7, 9)


def test_secrets_in_files(tmp_path):
    """A backend's secret may be in a file, which is read again when it changes."""
    file = tmp_path / "key"
    file.write_text("first", encoding="utf-8")
    teams = loaded(BACKEND_TEAMS_API_KEY_FILE=str(file)).backends["teams"]

    file.write_text("another", encoding="utf-8")

    assert teams.watched("api_key").current() == "another"


@pytest.mark.parametrize(
    "name",
    ["URL", "API_KEY", "API_KEY_FILE", "HEADERS", "OAUTH_CLIENT_ID", "TLS_CERT_PATH"],
)
def test_nobodys_credential(name):
    """An address or a credential that isn't said of one of them is refused."""
    (mistake,) = mistakes(**{name: "https://a.example"})

    assert mistake == (
        f"{name} is set together with BACKENDS, must be set for one of them, like "
        f"BACKEND_TEAMS_{name}"
    )


def test_mistakes_name_the_variable():
    """A mistake is told with the variable that it's in, once for all that share it."""
    found = mistakes(BATCH_SIZE="0", BACKEND_AUDIT_URL="", BACKEND_TEAMS_EVENTS="x")

    assert [line.split()[0] for line in found] == [
        "BATCH_SIZE",
        "BACKEND_TEAMS_EVENTS",
        "BACKEND_AUDIT_URL",
    ]
    assert "term 1 (x): there is no type x" in found[1]


def test_conflicts_name_the_variable():
    """So is what is wrong between two settings of one backend."""
    found = mistakes(BACKEND_AUDIT_OAUTH_CLIENT_ID="a")

    names = ("CLIENT_SECRET", "AUTHORIZATION_SERVER_URL")
    for name, line in zip(names, found, strict=True):
        assert line == (
            f"BACKEND_AUDIT_OAUTH_{name} is not set, while "
            "BACKEND_AUDIT_OAUTH_CLIENT_ID is, must be set as well"
        )


@pytest.mark.parametrize(
    "names,why",
    [
        ("Teams", "'Teams' can't be a name"),
        ("teams,", "'' can't be a name"),
        ("default", "default is what the one without a name is called"),
        ("a b", "'a b' can't be a name"),
        ("teams, audit, teams", "teams is there twice"),
    ],
)
def test_names(names, why):
    """Names are short and plain, and each is there once."""
    assert mistakes(BACKENDS=names)[-1] == (
        f"BACKENDS is '{names}': {why}, must be names of a-z and 0-9, each once, like "
        "`teams, audit`"
    )


def test_names_in_a_file(tmp_path):
    """The list may be in a file, and then the settings it names are known as well."""
    file = tmp_path / "names"
    file.write_text("teams, audit\n", encoding="utf-8")
    named = TWO | {"BACKENDS": "", "BACKENDS_FILE": str(file)}
    with mock.patch.dict(os.environ, {PREFIX + n: v for n, v in named.items()}):
        assert list(settings.load().backends) == ["teams", "audit"]
        assert variables.unknown() == []


def test_a_wrong_list_is_the_only_mistake():
    """While nobody knows which backends there are, no more is said of them."""
    assert len(mistakes(BACKENDS="Teams", BACKEND_TEAMS_EVENTS="nonsense")) == 1


def test_unknown_variables():
    """A misspelt setting of a backend, or one of nobody, is told of."""
    named = TWO | {"BACKEND_TEAMS_EVENT": "a", "BACKEND_OLD_URL": "b"}
    with mock.patch.dict(os.environ, {PREFIX + n: v for n, v in named.items()}):
        found = [str(each).replace(PREFIX, "") for each in variables.unknown()]

    assert found == [
        "BACKEND_OLD_URL is of a backend that BACKENDS doesn't name",
        "BACKEND_TEAMS_EVENT is no setting: is BACKEND_TEAMS_EVENTS meant?",
    ]


def test_settings_of_the_service():
    """What can't differ between backends is told by its name, whatever is alike."""
    named = TWO | {"BACKEND_TEAMS_DROP_FIELDS": "a", "BACKEND_TEAMS_SPOOL_DIR": "/b"}
    with mock.patch.dict(os.environ, {PREFIX + n: v for n, v in named.items()}):
        found = [str(each).replace(PREFIX, "") for each in variables.unknown()]

    assert found == [
        "BACKEND_TEAMS_DROP_FIELDS can't be set for one backend: it is DROP_FIELDS",
        "BACKEND_TEAMS_SPOOL_DIR can't be set for one backend: it is SPOOL_DIR",
    ]


def test_a_list_that_is_wrong_hides_no_cause():
    """While nobody knows whose a setting is, it isn't called anybody's."""
    named = TWO | {"BACKENDS": "teams audit"}
    with mock.patch.dict(os.environ, {PREFIX + n: v for n, v in named.items()}):
        assert variables.unknown() == []


def test_a_list_that_is_forgotten():
    """URLs of backends without a list are a mistake, and no reason to stand by."""
    missing = "BACKENDS is not set, while BACKEND_AUDIT_URL is"
    told = mistakes(BACKENDS="")

    assert f"{missing}, must be the names of all backends" in told
    assert variables.names_a_backend({f"{PREFIX}BACKEND_TEAMS_URL": "https://a"})


def test_effective():
    """What is in effect is shown for each, with the secrets hidden."""
    shown = settings.effective(loaded(BACKEND_TEAMS_API_KEY="secret"))

    assert shown["APP_INTEGRATIONS_BACKEND_TEAMS_API_KEY"] == "(hidden)"
    assert shown["APP_INTEGRATIONS_BACKEND_AUDIT_URL"] == "https://audit.example"
    assert "APP_INTEGRATIONS_URL" not in shown


def test_value_types():
    """The broker is asked for what any of them selects."""
    both = loaded(BACKEND_TEAMS_EVENTS="incident", BACKEND_AUDIT_EVENTS="job, timer")

    assert both.value_types == {"INCIDENT", "JOB", "TIMER"}


def test_a_mistake_is_where_it_was_said():
    """What all of them have from a plain name is one mistake of that name."""
    missing = "is '/nowhere' (No such file or directory)"
    right = "must be the path of a readable file"

    assert mistakes(TLS_CA_PATH="/nowhere") == [f"TLS_CA_PATH {missing}, {right}"]
    assert mistakes(BACKEND_AUDIT_TLS_CA_PATH="/nowhere") == [
        f"BACKEND_AUDIT_TLS_CA_PATH {missing}, {right}"
    ]


def test_what_is_missing_belongs_to_one():
    """A credential is never said of all, so its own name is told."""
    (mistake,) = mistakes(
        BACKEND_TEAMS_OAUTH_CLIENT_ID="a", BACKEND_TEAMS_OAUTH_CLIENT_SECRET="b"
    )

    assert mistake.startswith("BACKEND_TEAMS_OAUTH_AUTHORIZATION_SERVER_URL is not set")
