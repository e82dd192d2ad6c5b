"""The variables of the official exporter work with our image."""

import pytest

from exporter.base.errors import ConfigError
from exporter.broker.takeover import OFFICIAL, official_ids, take_over, without

OLD = "ZEEBE_BROKER_EXPORTERS_APPINTEXPORTER"
NEW = "CAMUNDA_DATA_EXPORTERS_APPINTEXPORTER"


def official(prefix=OLD, **arguments):
    """Return the variables of the official exporter with *arguments*."""
    named = {f"{prefix}_ARGS_{name}": value for name, value in arguments.items()}
    return {f"{prefix}_CLASSNAME": OFFICIAL} | named


ARGUMENTS = {
    "URL": "https://b/x",
    "APIKEY": "k",
    "OAUTH_CLIENTID": "id",
    "OAUTH_CLIENTSECRET": "s",
    "OAUTH_AUDIENCE": "a",
    "OAUTH_SCOPE": "sc",
    "OAUTH_RESOURCE": "r",
    "OAUTH_AUTHORIZATIONSERVERURL": "https://t/",
    "OAUTH_CONNECTTIMEOUTMS": "1",
    "OAUTH_READTIMEOUTMS": "2",
    "CLUSTERID": "c",
    "REQUESTTIMEOUTMS": "3",
    "BATCHSIZE": "4",
    "BATCHINTERVALMS": "5",
    "MAXBATCHESINFLIGHT": "6",
}
OURS = {
    "APP_INTEGRATIONS_URL": "https://b/x",
    "APP_INTEGRATIONS_API_KEY": "k",
    "APP_INTEGRATIONS_OAUTH_CLIENT_ID": "id",
    "APP_INTEGRATIONS_OAUTH_CLIENT_SECRET": "s",
    "APP_INTEGRATIONS_OAUTH_AUDIENCE": "a",
    "APP_INTEGRATIONS_OAUTH_SCOPE": "sc",
    "APP_INTEGRATIONS_OAUTH_RESOURCE": "r",
    "APP_INTEGRATIONS_OAUTH_AUTHORIZATION_SERVER_URL": "https://t/",
    "APP_INTEGRATIONS_OAUTH_CONNECT_TIMEOUT_MS": "1",
    "APP_INTEGRATIONS_OAUTH_READ_TIMEOUT_MS": "2",
    "APP_INTEGRATIONS_CLUSTER_ID": "c",
    "APP_INTEGRATIONS_REQUEST_TIMEOUT_MS": "3",
    "APP_INTEGRATIONS_BATCH_SIZE": "4",
    "APP_INTEGRATIONS_BATCH_INTERVAL_MS": "5",
    "APP_INTEGRATIONS_MAX_BATCHES_IN_FLIGHT": "6",
}


@pytest.mark.parametrize("prefix", [OLD, NEW])
def test_every_argument(prefix):
    """Each argument of the official exporter becomes a setting of ours."""
    told = take_over(official(prefix, **ARGUMENTS))

    assert told.settings == OURS
    assert told.exporter_id == "APPINTEXPORTER"
    assert told.notices == []


def test_spelling_of_names():
    """Variables may be in lower case."""
    told = take_over({name.lower(): text for name, text in official(URL="u").items()})

    assert told.exporter_id == "APPINTEXPORTER"
    assert told.settings == {"APP_INTEGRATIONS_URL": "u"}


def test_spelling_of_the_class():
    """Spring also reads CLASS_NAME, which must not reach the broker either."""
    environ = {f"{OLD}_CLASS_NAME": OFFICIAL, f"{OLD}_JAR_PATH": "/x.jar"}

    assert official_ids(environ) == {"APPINTEXPORTER"}
    assert without(environ, official_ids(environ)) == {}


def test_settings_without_meaning():
    """Each setting without effect is reported."""
    told = take_over(
        official(CONTINUEONERROR="true", MAXRETRIES="2", RETRYDELAYMS="1500", NEW="1")
    )

    assert told.settings == {}
    assert all("has no effect" in notice for notice in told.notices)
    assert [
        notice.split()[0].removeprefix(f"{OLD}_ARGS_") for notice in told.notices
    ] == [
        "CONTINUEONERROR",
        "MAXRETRIES",
        "NEW",
        "RETRYDELAYMS",
    ]


@pytest.mark.parametrize("name", ["API_KEY", "API_KEY_FILE"])
def test_our_settings_win(name):
    """Our own settings take precedence."""
    environ = official(URL="u", APIKEY="theirs") | {f"APP_INTEGRATIONS_{name}": "ours"}

    told = take_over(environ)

    assert told.settings == {"APP_INTEGRATIONS_URL": "u"}
    assert told.notices == [
        f"{OLD}_ARGS_APIKEY has no effect: APP_INTEGRATIONS_API_KEY is set"
    ]


def test_both_forms():
    """If an exporter has both forms, the newer form wins, as in the broker."""
    told = take_over(official(NEW, URL="new") | official(OLD, URL="old"))

    assert told.settings == {"APP_INTEGRATIONS_URL": "new"}


def test_two_official_exporters():
    """Two official exporters are a mistake."""
    other = official("ZEEBE_BROKER_EXPORTERS_SECOND", URL="u")

    with pytest.raises(ConfigError, match="APPINTEXPORTER and SECOND are both"):
        take_over(official(URL="u") | other)


def test_arguments_of_one_tenant():
    """Variables of one tenant are removed without effect."""
    start = "CAMUNDA_PHYSICALTENANTS_RED_DATA_EXPORTERS_APPINTEXPORTER_ARGS"
    environ = official(NEW, URL="u") | {f"{start}_APIKEY": "hunter2"}

    told = take_over(environ)

    assert told.settings == {"APP_INTEGRATIONS_URL": "u"}
    assert told.notices == [
        f"{start}_APIKEY has no effect: all tenants have one backend"
    ]
    assert without(environ, official_ids(environ)) == {}


CHART = {"VALUES_EXPORTERS_APPINTEGRATIONS_APIKEY": "of the chart\n"}


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
    told = take_over(environ | CHART)

    assert told.settings.get("APP_INTEGRATIONS_API_KEY") == key


def test_other_exporters():
    """An exporter of another class stays as it is."""
    other = {"ZEEBE_BROKER_EXPORTERS_ELASTICSEARCH_CLASSNAME": "io.camunda.Elastic"}
    environ = official(URL="u") | other

    assert official_ids(environ) == {"APPINTEXPORTER"}
    assert without(environ, official_ids(environ)) == other


def test_beside_camundas_connector():
    """The connector's client doesn't override the official credentials."""
    connector = {
        "APP_INTEGRATIONS_OAUTH_TOKEN_ENDPOINT": "https://login.example/token",
        "APP_INTEGRATIONS_OAUTH_CLIENT_ID": "connector",
        "APP_INTEGRATIONS_OAUTH_CLIENT_SECRET": "hunter2",
    }

    told = take_over(connector | official(**ARGUMENTS))

    assert told.settings == OURS
