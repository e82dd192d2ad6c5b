"""The exporter shares variables with Camunda's App Integrations connector."""

import json

import pytest

from exporter import cli
from exporter.config import settings, variables
from exporter.config.connector import OWN
from exporter.config.declaration import PREFIX
from exporter.connect import NAMELESS
from tests.configured import only_backend

SHARED = {
    "API_KEY": "of-both",
    "CLUSTER_ID": "eu-1",
    "OAUTH_CLIENT_ID": "client-7",
    "OAUTH_CLIENT_SECRET": "hunter2",
    "OAUTH_AUDIENCE": "audience-7",
}
CONNECTOR = SHARED | {
    "BASE_URL": "https://connector.example",
    "OAUTH_TOKEN_ENDPOINT": "https://login.example/token",
    "OAUTH_SCOPES": "scope-7",
    "OAUTH_CLIENT_AUTHENTICATION": "BODY",
}
URL = {"URL": "http://127.0.0.1:1/events"}
BROKERS = "ZEEBE_BROKER_CLUSTER_CLUSTERID"
SERVER = {"OAUTH_AUTHORIZATION_SERVER_URL": "https://login.example/oauth/token"}


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Return a function that sets variables, loads them, and returns the notice."""
    monkeypatch.setenv(f"{PREFIX}SPOOL_DIR", str(tmp_path / "spool"))

    def change(variables_):
        for name, value in variables_.items():
            monkeypatch.setenv(PREFIX + name, value)
        return settings.load(), variables.shared().replace(PREFIX, "")

    return change


def test_the_connectors_environment(load):
    """The connector's variables don't stop a start, and its OAuth client is ignored."""
    loaded, _ = load(CONNECTOR | URL)

    backend = only_backend(loaded)
    assert (backend.oauth_client_id, backend.oauth_audience) == ("", "")
    assert (backend.api_key, loaded.cluster_id) == ("of-both", "eu-1")
    assert variables.unknown() == []


def test_a_word_about_every_name(load):
    """The notice has each variable once, and no values."""
    _, notice = load(CONNECTOR | URL)

    own, both = notice.split("; ")
    for name in (*OWN, "OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET"):
        assert name.removeprefix(PREFIX) in own
        assert name not in both
    assert "API_KEY, CLUSTER_ID" in both
    assert not any(value in notice for value in CONNECTOR.values())


def test_oauth_of_our_own(load):
    """With the exporter's own server variable, the client is read and the key isn't."""
    loaded, notice = load(CONNECTOR | URL | SERVER)

    backend = only_backend(loaded)
    assert (backend.oauth_client_id, backend.api_key) == ("client-7", "")
    assert "API_KEY; both read CLUSTER_ID, OAUTH_AUDIENCE, " in notice


def test_backends_with_names(load):
    """With named backends, credentials without a name belong to the connector."""
    named = {"BACKENDS": "teams", "BACKEND_TEAMS_URL": URL["URL"]}
    loaded, _ = load(CONNECTOR | named | {"BACKEND_TEAMS_API_KEY": "of-teams"})

    (teams,) = loaded.backends.values()
    assert (teams.api_key, teams.oauth_client_id) == ("of-teams", "")


def test_without_the_connector(load):
    """Without variables of the connector alone, the exporter reads every variable."""
    with pytest.raises(settings.SettingsError, match="AUTHORIZATION_SERVER_URL"):
        load(SHARED | URL)

    assert variables.shared() == ""


def test_secrets_in_files_are_ours(load, tmp_path):
    """The connector doesn't read files, so half of OAuth in a file is a mistake."""
    file = tmp_path / "secret"
    file.write_text("hunter3", encoding="utf-8")

    with pytest.raises(settings.SettingsError, match="OAUTH_CLIENT_SECRET"):
        load(CONNECTOR | URL | {"OAUTH_CLIENT_SECRET_FILE": str(file)})


@pytest.mark.parametrize("name", ["", f"{PREFIX}CLUSTER_ID", BROKERS])
def test_oauth_without_a_cluster_id(load, monkeypatch, capsys, name):
    """`check` warns, because Camunda's backend refuses such requests."""
    if name:
        monkeypatch.setenv(name, "uuid-1")
    client = {"OAUTH_CLIENT_ID": "exporter", "OAUTH_CLIENT_SECRET": "hunter2"}
    load(URL | SERVER | client)

    cli.main(["check", "--json"])

    texts = [each["text"] for each in json.loads(capsys.readouterr().out)]
    assert (NAMELESS in texts) is (name == "")
