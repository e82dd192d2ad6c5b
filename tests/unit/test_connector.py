"""The exporter shares variables with Camunda's App Integrations connector."""

import json

import pytest

from exporter import cli
from exporter.config import settings, variables
from exporter.config.connector import OWN, not_ours, notice
from exporter.connect import NAMELESS
from tests.configured import only_backend

P = "APP_INTEGRATIONS_"
SHARED = {
    f"{P}API_KEY": "of-both",
    f"{P}CLUSTER_ID": "eu-1",
    f"{P}OAUTH_CLIENT_ID": "client-7",
    f"{P}OAUTH_CLIENT_SECRET": "hunter2",
    f"{P}OAUTH_AUDIENCE": "audience-7",
}
CONNECTOR = SHARED | {
    f"{P}BASE_URL": "https://connector.example",
    f"{P}OAUTH_TOKEN_ENDPOINT": "https://login.example/token",
    f"{P}OAUTH_SCOPES": "scope-7",
    f"{P}OAUTH_CLIENT_AUTHENTICATION": "BODY",
}
URL = {f"{P}URL": "http://127.0.0.1:1/events"}
SERVER = {f"{P}OAUTH_AUTHORIZATION_SERVER_URL": "https://login.example/oauth/token"}


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """Return a function that sets variables."""
    monkeypatch.setenv(f"{P}SPOOL_DIR", str(tmp_path / "spool"))

    def change(variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return change


def test_the_connectors_environment(environment):
    """The connector's variables don't stop a start, and its OAuth client is ignored."""
    environment(CONNECTOR | URL)

    loaded = settings.load()

    assert only_backend(loaded).oauth_client_id == ""
    assert only_backend(loaded).oauth_audience == ""
    assert only_backend(loaded).api_key == "of-both"
    assert loaded.cluster_id == "eu-1"
    assert variables.unknown() == []


def test_a_word_about_every_name():
    """The notice has each variable once, and no values."""
    own, both = notice(CONNECTOR | URL).split("; ")

    for name in (*OWN, f"{P}OAUTH_CLIENT_ID", f"{P}OAUTH_CLIENT_SECRET"):
        assert name in own
        assert name not in both
    assert f"{P}API_KEY" in both
    assert f"{P}CLUSTER_ID" in both
    assert not any(value in own + both for value in CONNECTOR.values())


def test_oauth_of_our_own(environment):
    """With the exporter's own server variable, the client is read and the key isn't."""
    environment(CONNECTOR | URL | SERVER)

    loaded = only_backend(settings.load())

    assert (loaded.oauth_client_id, loaded.api_key) == ("client-7", "")
    assert not_ours(CONNECTOR | SERVER) == [f"{P}API_KEY"]
    assert f"both read {P}CLUSTER_ID, {P}OAUTH_AUDIENCE, " in notice(CONNECTOR | SERVER)


def test_backends_with_names(environment):
    """With named backends, credentials without a name belong to the connector."""
    named = {f"{P}BACKENDS": "teams", f"{P}BACKEND_TEAMS_URL": URL[f"{P}URL"]}
    environment(CONNECTOR | named | {f"{P}BACKEND_TEAMS_API_KEY": "of-teams"})

    (teams,) = settings.load().backends.values()

    assert (teams.api_key, teams.oauth_client_id) == ("of-teams", "")


def test_without_the_connector(environment):
    """Without variables of the connector alone, the exporter reads every variable."""
    environment(SHARED | URL)

    assert notice(SHARED | URL) == ""
    with pytest.raises(settings.SettingsError, match="AUTHORIZATION_SERVER_URL"):
        settings.load()


def test_secrets_in_files_are_ours(environment, tmp_path):
    """The connector doesn't read files, so half of OAuth in a file is a mistake."""
    file = tmp_path / "secret"
    file.write_text("hunter3", encoding="utf-8")
    environment(CONNECTOR | URL | {f"{P}OAUTH_CLIENT_SECRET_FILE": str(file)})

    with pytest.raises(settings.SettingsError, match="OAUTH_CLIENT_SECRET"):
        settings.load()


@pytest.mark.parametrize(
    "more, warned",
    [
        ({}, True),
        ({f"{P}CLUSTER_ID": "eu-1"}, False),
        ({"ZEEBE_BROKER_CLUSTER_CLUSTERID": "uuid-1"}, False),
    ],
)
def test_oauth_without_a_cluster_id(environment, capsys, more, warned):
    """`check` warns, because Camunda's backend refuses such requests."""
    client = {f"{P}OAUTH_CLIENT_ID": "exporter", f"{P}OAUTH_CLIENT_SECRET": "hunter2"}
    environment(URL | SERVER | client | more)

    cli.main(["check", "--json"])

    texts = [each["text"] for each in json.loads(capsys.readouterr().out)]
    assert (NAMELESS in texts) is warned
