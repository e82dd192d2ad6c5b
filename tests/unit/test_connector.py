"""The exporter shares variables with Camunda's App Integrations connector."""

import pytest

from exporter import cli
from exporter.config import variables
from exporter.config.connector import OWN
from exporter.config.declaration import PREFIX
from exporter.connect import NAMELESS
from tests.configured import only_backend
from tests.unit.environments import URL, environment, loaded, mistakes, unknown

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
BROKERS = "ZEEBE_BROKER_CLUSTER_CLUSTERID"
SERVER = {"OAUTH_AUTHORIZATION_SERVER_URL": "https://login.example/oauth/token"}


def notice(**changes):
    """Return the notice about the connector's variables."""
    with environment(**changes):
        return variables.shared().replace(PREFIX, "")


def test_the_connectors_environment():
    """The connector's variables don't stop a start, and its OAuth client is ignored."""
    found = loaded(**CONNECTOR)

    backend = only_backend(found)
    assert (backend.oauth_client_id, backend.oauth_audience) == ("", "")
    assert (backend.api_key, found.cluster_id) == ("of-both", "eu-1")
    assert unknown(**CONNECTOR) == []


def test_a_word_about_every_name():
    """The notice has each variable once, and no values."""
    text = notice(**CONNECTOR)

    own, both = text.split("; ")
    for name in (*OWN, "OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET"):
        assert name.removeprefix(PREFIX) in own
        assert name not in both
    assert "API_KEY, CLUSTER_ID" in both
    assert not any(value in text for value in CONNECTOR.values())


def test_oauth_of_our_own():
    """With the exporter's own server variable, the client is read and the key isn't."""
    backend = only_backend(loaded(**CONNECTOR, **SERVER))

    assert (backend.oauth_client_id, backend.api_key) == ("client-7", "")
    both = "API_KEY; both read CLUSTER_ID, OAUTH_AUDIENCE, "
    assert both in notice(**CONNECTOR, **SERVER)


def test_backends_with_names():
    """With named backends, credentials without a name belong to the connector."""
    named = {"URL": "", "BACKENDS": "teams", "BACKEND_TEAMS_URL": URL}

    teams = only_backend(loaded(**CONNECTOR, **named, BACKEND_TEAMS_API_KEY="of-teams"))

    assert (teams.api_key, teams.oauth_client_id) == ("of-teams", "")


def test_without_the_connector():
    """Without variables of the connector alone, the exporter reads every variable."""
    assert any("AUTHORIZATION_SERVER_URL" in line for line in mistakes(**SHARED))
    assert notice(**SHARED) == ""


def test_secrets_in_files_are_ours(tmp_path):
    """The connector doesn't read files, so half of OAuth in a file is a mistake."""
    file = tmp_path / "secret"
    file.write_text("hunter3", encoding="utf-8")

    lines = mistakes(**CONNECTOR, OAUTH_CLIENT_SECRET_FILE=str(file))

    assert any("OAUTH_CLIENT_SECRET" in line for line in lines)


@pytest.mark.parametrize("name", ["", f"{PREFIX}CLUSTER_ID", BROKERS])
def test_oauth_without_a_cluster_id(monkeypatch, capsys, tmp_path, name):
    """`check` warns, because Camunda's backend refuses such requests."""
    if name:
        monkeypatch.setenv(name, "uuid-1")
    client = {"OAUTH_CLIENT_ID": "exporter", "OAUTH_CLIENT_SECRET": "hunter2"}
    near = {"URL": "http://127.0.0.1:1/", "SPOOL_DIR": str(tmp_path / "spool")}

    with environment(**SERVER, **client, **near):
        cli.main(["check", "--json"])

    assert (NAMELESS in capsys.readouterr().out) is (name == "")
