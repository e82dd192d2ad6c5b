"""The variables of the official exporter work with our image."""

import pytest

from exporter.base.errors import ConfigError
from exporter.broker.takeover import OFFICIAL, official_ids, take_over, without

OLD = "ZEEBE_BROKER_EXPORTERS_APPINTEXPORTER"
NEW = "CAMUNDA_DATA_EXPORTERS_APPINTEXPORTER"
PREFIX = "APP_INTEGRATIONS_"


def official(prefix=OLD, **arguments):
    """Return the variables of the official exporter with *arguments*."""
    named = {f"{prefix}_ARGS_{name}": value for name, value in arguments.items()}
    return {f"{prefix}_CLASSNAME": OFFICIAL} | named


# The arguments of the official exporter, and our settings of the same meaning.
ARGUMENTS = {
    "URL": "URL",
    "APIKEY": "API_KEY",
    "OAUTH_CLIENTID": "OAUTH_CLIENT_ID",
    "OAUTH_CLIENTSECRET": "OAUTH_CLIENT_SECRET",
    "OAUTH_AUDIENCE": "OAUTH_AUDIENCE",
    "OAUTH_SCOPE": "OAUTH_SCOPE",
    "OAUTH_RESOURCE": "OAUTH_RESOURCE",
    "OAUTH_AUTHORIZATIONSERVERURL": "OAUTH_AUTHORIZATION_SERVER_URL",
    "OAUTH_CONNECTTIMEOUTMS": "OAUTH_CONNECT_TIMEOUT_MS",
    "OAUTH_READTIMEOUTMS": "OAUTH_READ_TIMEOUT_MS",
    "CLUSTERID": "CLUSTER_ID",
    "REQUESTTIMEOUTMS": "REQUEST_TIMEOUT_MS",
    "BATCHSIZE": "BATCH_SIZE",
    "BATCHINTERVALMS": "BATCH_INTERVAL_MS",
    "MAXBATCHESINFLIGHT": "MAX_BATCHES_IN_FLIGHT",
}
VALUES = {name: f"value of {name}" for name in ARGUMENTS}
OURS = {PREFIX + ours: VALUES[theirs] for theirs, ours in ARGUMENTS.items()}
CONNECTOR = {
    "APP_INTEGRATIONS_OAUTH_TOKEN_ENDPOINT": "https://login.example/token",
    "APP_INTEGRATIONS_OAUTH_CLIENT_ID": "connector",
    "APP_INTEGRATIONS_OAUTH_CLIENT_SECRET": "hunter2",
}


@pytest.mark.parametrize("more", [{}, CONNECTOR])
@pytest.mark.parametrize("prefix", [OLD, NEW, OLD.lower()])
def test_every_argument(prefix, more):
    """Each argument becomes a setting of ours, also next to Camunda's connector."""
    taken = take_over(more | official(prefix, **VALUES))

    assert taken.settings == OURS
    assert taken.exporter_id == "APPINTEXPORTER"
    assert taken.notices == []


def test_spelling_of_the_class():
    """Spring also reads CLASS_NAME, which must not reach the broker either."""
    other = {"ZEEBE_BROKER_EXPORTERS_ELASTICSEARCH_CLASSNAME": "io.camunda.Elastic"}
    environ = {f"{OLD}_CLASS_NAME": OFFICIAL, f"{OLD}_JAR_PATH": "/x.jar"} | other

    assert official_ids(environ) == {"APPINTEXPORTER"}
    assert without(environ, official_ids(environ)) == other


RED = "CAMUNDA_PHYSICALTENANTS_RED_DATA_EXPORTERS_APPINTEXPORTER"


@pytest.mark.parametrize(
    "variable, why",
    [
        (f"{OLD}_ARGS_CONTINUEONERROR", "a bad event"),
        (f"{OLD}_ARGS_MAXRETRIES", "until the backend accepts it"),
        (f"{OLD}_ARGS_RETRYDELAYMS", "the delay"),
        (f"{OLD}_ARGS_NEW", "isn't known"),
        (f"{RED}_ARGS_APIKEY", "all tenants have one backend"),
    ],
)
def test_arguments_without_effect(variable, why):
    """Each argument without effect has a notice, and doesn't reach the broker."""
    environ = official(URL="u") | {variable: "1"}

    taken = take_over(environ)

    assert taken.settings == {"APP_INTEGRATIONS_URL": "u"}
    (notice,) = taken.notices
    assert notice.startswith(f"{variable} has no effect: ")
    assert why in notice
    assert without(environ, official_ids(environ)) == {}


@pytest.mark.parametrize("name", ["API_KEY", "API_KEY_FILE"])
def test_our_settings_win(name):
    """Our own settings take precedence."""
    taken = take_over(official(URL="u", APIKEY="theirs") | {PREFIX + name: "ours"})

    assert taken.settings == {"APP_INTEGRATIONS_URL": "u"}
    assert taken.notices == [
        f"{OLD}_ARGS_APIKEY has no effect: APP_INTEGRATIONS_API_KEY is set"
    ]


def test_both_forms():
    """If an exporter has both forms, the newer form wins, as in the broker."""
    taken = take_over(official(NEW, URL="new") | official(OLD, URL="old"))

    assert taken.settings == {"APP_INTEGRATIONS_URL": "new"}


def test_two_official_exporters():
    """Two official exporters are a mistake."""
    other = official("ZEEBE_BROKER_EXPORTERS_SECOND", URL="u")

    with pytest.raises(ConfigError, match="APPINTEXPORTER and SECOND are both"):
        take_over(official(URL="u") | other)


@pytest.mark.parametrize(
    "environ, key",
    [
        ({}, "of the chart"),
        (official(APIKEY="official"), "official"),
        ({"APP_INTEGRATIONS_API_KEY": "ours"}, None),
        ({"APP_INTEGRATIONS_API_KEY_FILE": "/x"}, None),
        ({"APP_INTEGRATIONS_OAUTH_CLIENT_ID": "ours"}, None),
        (official(OAUTH_CLIENTID="official"), None),
    ],
)
def test_key_of_the_chart(environ, key):
    """The API key of the official chart is used without another credential."""
    chart = {"VALUES_EXPORTERS_APPINTEGRATIONS_APIKEY": "of the chart\n"}

    assert take_over(environ | chart).settings.get("APP_INTEGRATIONS_API_KEY") == key
