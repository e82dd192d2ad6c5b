"""The environment becomes settings, or a list of all mistakes in it."""

import dataclasses
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.base.errors import ConfigError
from exporter.config import settings, variables
from exporter.config.declaration import PREFIX
from tests.configured import configured, only_backend

URL = "https://backend.example/events"


@contextmanager
def environment(**variables):
    """Set APP_INTEGRATIONS_* *variables* for a block, a usable URL among them."""
    named = {PREFIX + name: value for name, value in ({"URL": URL} | variables).items()}
    with mock.patch.dict(os.environ, named):
        yield


def mistakes(**variables):
    """Return the lines of the error for *variables*, without the prefix of names."""
    with environment(**variables), pytest.raises(ConfigError) as raised:
        settings.load()
    assert raised.value.exit_status == 2
    first, *lines = str(raised.value).splitlines()
    assert "docs/configuration.md" in first
    return [line.strip().replace(PREFIX, "") for line in lines]


def test_only_the_url_is_needed():
    """With nothing but a URL, every other setting has its default."""
    with environment():
        loaded = settings.load()

    assert loaded == configured(url=URL)
    assert only_backend(loaded).batch_size == 50
    assert loaded.spool_dir == Path("spool")


def test_values_have_their_type():
    """Numbers become numbers, paths become paths."""
    with environment(BATCH_SIZE="7", SPOOL_DIR="/var/spool", LOG_LEVEL="DEBUG"):
        loaded = settings.load()

    assert only_backend(loaded).batch_size == 7
    assert loaded.spool_dir == Path("/var/spool")
    assert loaded.log_level == "DEBUG"


def test_all_mistakes_at_once():
    """Every mistake has its line: the variable, its value and the rule."""
    lines = mistakes(URL="", BATCH_SIZE="many", ADMIN_PORT="99999", LOG_LEVEL="loud")

    wrong = [line.partition(";")[0] for line in lines]
    assert wrong == [
        "URL is not set",
        "BATCH_SIZE is 'many'",
        "ADMIN_PORT is '99999'",
        "LOG_LEVEL is 'loud'",
    ]
    assert "from 1 to 10000" in lines[1]


def test_secret_from_a_file(tmp_path):
    """A mounted secret ends in a newline, which isn't part of it."""
    file = tmp_path / "key"
    file.write_text("s3cret\n", encoding="utf-8")

    with environment(API_KEY_FILE=str(file)):
        loaded = settings.load()

    assert only_backend(loaded).api_key == "s3cret"


def test_variable_and_file_together(tmp_path):
    """A variable can't be set together with its file."""
    (line,) = mistakes(CLUSTER_ID="a", CLUSTER_ID_FILE=str(tmp_path / "id"))

    assert line.startswith("CLUSTER_ID and CLUSTER_ID_FILE are both set")


@pytest.mark.parametrize("content", [b"", b" \n", b"two words", b"\0"])
def test_file_with_wrong_content(tmp_path, content):
    """The content of a file has the same rule as the variable, and isn't shown."""
    file = tmp_path / "id"
    file.write_bytes(content)

    (line,) = mistakes(CLUSTER_ID_FILE=str(file))

    assert line.startswith("CLUSTER_ID_FILE names a file")
    assert line.endswith("1 to 64 of A-Z a-z 0-9 . _ -")


def test_file_with_an_unreadable_selection(tmp_path):
    """The mistake has the term's number, but not the content: it may be a secret."""
    file = tmp_path / "events"
    file.write_text("user-task, hunter2\n")

    (line,) = mistakes(EVENTS_FILE=str(file))

    assert line.startswith("EVENTS_FILE names a file")
    assert ": term 2;" in line
    assert "hunter2" not in line


def test_file_that_cannot_be_read(tmp_path):
    """A missing file, a directory and a binary file are reported by their path."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")

    for path, reason in {
        tmp_path: "Is a directory",
        tmp_path / "missing": "No such file or directory",
        binary: "not UTF-8 text",
        binary / "below": "Not a directory",
        "x" * 5000: "File name too long",
    }.items():
        (line,) = mistakes(CLUSTER_ID_FILE=str(path))
        assert line.startswith(f"CLUSTER_ID_FILE is {str(path)!r} ({reason});")


def test_misplaced_secret_is_not_shown():
    """A key that stands where its file's path belongs isn't shown."""
    (line,) = mistakes(API_KEY_FILE="hunter2")

    assert "API_KEY_FILE" in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "url",
    [
        "backend.example/events",
        "ftp://backend.example/",
        "https:///events",
        "https://user:hunter2@backend.example/",
        "https://user@backend.example/",
        "https://back end.example/",
        "https://backend.example:99999/",
        "https://[::1/",
        "https://a..b/",
        f"https://{'a' * 64}.example/",
        "https://backend.example/\nX-Other: 1",
        "hunter2@https://backend.example/",
        "backend.example?token=hunter2",
        "http://127.1/",
        "http://0x7f.1/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://127.0.0.1./",
        "http://1.2.3.256/",
        "http://\uff11\uff12\uff17.1/",
    ],
)
def test_url_that_cannot_be_posted_to(url):
    """A URL that would fail later fails at the start, and shows no credentials."""
    (line,) = mistakes(URL=url)

    assert line.startswith("URL is ")
    assert "hunter2" not in line


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "https://[::1]/e?x=1"])
def test_url_with_an_address(url):
    """A host may be an address, with a port, of either family."""
    with environment(URL=url):
        assert only_backend(settings.load()).url == url


@pytest.mark.parametrize("key", ["a\nX-Other: 1", "schlüssel", " padded", "a\tb"])
def test_api_key_that_is_no_header(key):
    """A key that would break or forge a header is refused, and not shown."""
    (line,) = mistakes(API_KEY=key)

    assert line.startswith("API_KEY is '(hidden)';")


@pytest.mark.parametrize("header", ["X API", "X-Key:", "Content-Type", "x-event-ids"])
def test_header_that_is_taken_or_none(header):
    """The key's header is a valid name, and not a header that the exporter writes."""
    (line,) = mistakes(API_KEY_HEADER=header)

    assert line.startswith(f"API_KEY_HEADER is '{header}';")


def test_a_whole_header_instead_of_its_name():
    """The credential in a header is not shown."""
    (line,) = mistakes(API_KEY_HEADER="Authorization: Bearer hunter2")

    assert line.startswith("API_KEY_HEADER is 'Authorization: ...';")


@pytest.mark.parametrize(
    "text",
    [
        "X-Team",
        "X-Team:",
        "X Team: a",
        "X-Team: a, x-team: b",
        "X-Team: grün",
        "X-Team: a\r\n\tb",
        "Content-Type: text/plain",
        "X-Org-Id: 7",
        "x-physical-tenant-id: red",
    ],
)
def test_headers_that_cannot_be_sent(text):
    """Malformed, repeated and reserved headers are refused at the start."""
    (line,) = mistakes(HEADERS=text)

    assert line.startswith("HEADERS is '(hidden)'")
    assert "Content-Type" in line


def test_a_malformed_signing_secret():
    """A malformed secret is refused at the start, and not shown."""
    (line,) = mistakes(SIGNING_SECRETS="hunter2")

    assert line.startswith("SIGNING_SECRETS is '(hidden)'")
    assert "hunter2" not in line


def test_headers_with_the_api_key():
    """The API key's header can't be set a second time, in any spelling."""
    (line,) = mistakes(HEADERS="x-api-KEY: other", API_KEY="k")

    assert line.startswith("HEADERS has X-API-KEY")
    with environment(HEADERS="x-api-KEY: other"):
        assert only_backend(settings.load()).headers == "x-api-KEY: other"


OAUTH = {
    "OAUTH_CLIENT_ID": "exporter",
    "OAUTH_CLIENT_SECRET": "hunter2",
    "OAUTH_AUTHORIZATION_SERVER_URL": "https://login.example/oauth/token",
}


def test_oauth_and_an_api_key():
    """OAuth can't be combined with another credential."""
    (two,) = mistakes(**OAUTH, API_KEY="k")
    (header,) = mistakes(**OAUTH, HEADERS="authorization: x")

    assert two.startswith("API_KEY and OAUTH_CLIENT_ID are both set")
    assert header.startswith("HEADERS has Authorization")


@pytest.mark.parametrize("left", [*OAUTH, "OAUTH_AUDIENCE"])
def test_half_of_oauth(left):
    """The settings for a token are set together, or not at all."""
    lines = mistakes(**{left: OAUTH.get(left, "a")})

    assert [line.partition(";")[0] for line in lines] == [
        f"{name} is not set, while {left} is" for name in OAUTH if name != left
    ]


def test_oauth():
    """With its three settings OAuth needs nothing else."""
    with environment(**OAUTH):
        loaded = settings.load()

    assert only_backend(loaded).oauth_client_id == "exporter"
    assert "hunter2" not in repr(loaded)


@pytest.mark.parametrize("text", ["", " ", "null", " null\n"])
def test_no_organization(monkeypatch, text):
    """The platform's values for "no organization" count as not set."""
    monkeypatch.setenv("CAMUNDA_CLOUD_ORGANIZATION_ID", text)

    with environment():
        assert only_backend(settings.load()).organization_id == ""


def test_an_organization(monkeypatch):
    """The organization comes from the variable that Camunda's platform sets."""
    monkeypatch.setenv("CAMUNDA_CLOUD_ORGANIZATION_ID", "org-7")

    with environment():
        assert only_backend(settings.load()).organization_id == "org-7"


def test_ingest_others_reach_needs_a_user():
    """The ingest needs a user and a password on any address except loopback."""
    (line,) = mistakes(INGEST_HOST="0.0.0.0")  # noqa: S104 - the point

    assert line.startswith("INGEST_HOST is '0.0.0.0', which others")
    for host in ("a..b", "...", "x" * 64, "a:b:c.d/e", "::g", ":::"):
        (line,) = mistakes(ADMIN_HOST=host)
        assert line.startswith(f"ADMIN_HOST is {host!r};")
    for host in ("localhost", "127.8.8.8", "::1"):
        with environment(INGEST_HOST=host):
            assert settings.load().ingest_host == host
    with environment(INGEST_HOST="::", INGEST_USERNAME="b", INGEST_PASSWORD="p"):
        assert settings.load().ingest_username == "b"


@pytest.mark.parametrize("name", ["INGEST_USERNAME", "INGEST_PASSWORD"])
def test_user_and_password_belong_together(name):
    """A user without a password, or the reverse, is a mistake."""
    (line,) = mistakes(**{name: "x"})

    assert line.startswith("INGEST_USERNAME and INGEST_PASSWORD belong together")


def test_settings_that_contradict_and_are_wrong():
    """A setting that is wrong by itself causes no second mistake."""
    (line,) = mistakes(INGEST_HOST="0.0.0.0", INGEST_USERNAME="a:b")  # noqa: S104

    assert line.startswith("INGEST_USERNAME is 'a:b';")


SERVICE_LINKS = {
    "SERVICE_HOST": "10.0.0.1",
    "PORT": "tcp://10.0.0.1:9280",
    "PORT_9280_TCP": "tcp://10.0.0.1:9280",
    "PORT_9280_TCP_ADDR": "10.0.0.1",
    "INGEST_SERVICE_PORT": "9280",
    "INGEST_SERVICE_PORT_HTTP": "9280",
    "INGEST_PORT": "tcp://10.0.0.1:9280",
    "INGEST_PORT_9280_TCP_PROTO": "tcp",
}


def test_kubernetes_describes_a_service():
    """Variables of Kubernetes are ignored, even with the name of a setting."""
    with environment(**SERVICE_LINKS):
        assert settings.load().ingest_port == 9280
        assert variables.unknown() == []


def test_file_where_kubernetes_took_the_name(tmp_path):
    """A file is read even if a Service has taken the variable."""
    file = tmp_path / "port"
    file.write_text("1234", encoding="utf-8")

    with environment(INGEST_PORT_FILE=str(file), **SERVICE_LINKS):
        assert settings.load().ingest_port == 1234


def test_unknown_variables():
    """A misspelt variable is reported with the most similar name."""
    with environment(BATCHSIZE="1", API_KEYFILE="x", QQQ="y"):
        found = [str(unknown).replace(PREFIX, "") for unknown in variables.unknown()]

    assert found == [
        "API_KEYFILE isn't a setting; did you mean API_KEY_FILE?",
        "BATCHSIZE isn't a setting; did you mean BATCH_SIZE?",
        "QQQ isn't a setting",
    ]


def test_no_secret_is_shown():
    """Neither the settings in effect nor their repr show a secret."""
    loaded = configured(
        url="https://backend.example/e?code=hunter2",
        api_key="hunter2",
        ingest_username="broker",
        ingest_password="hunter2",
    )

    effective = settings.effective(loaded)

    assert "hunter2" not in str(effective)
    assert effective["APP_INTEGRATIONS_API_KEY"] == "(hidden)"
    assert effective["APP_INTEGRATIONS_URL"] == "https://backend.example/e?..."
    assert "hunter2" not in repr(dataclasses.replace(only_backend(loaded), url=URL))


@pytest.mark.parametrize(
    "name", [each.name for each in settings.DECLARED if each.secret]
)
def test_no_secret_of_any_kind_is_shown(name):
    """Every setting that is declared a secret is hidden."""
    loaded = configured(url=URL, **{name: "hunter2"})

    assert "hunter2" not in str(settings.effective(loaded)) + repr(loaded)
    assert "(hidden)" in settings.effective(loaded).values()


VARIABLES = [declared.variable.removeprefix(PREFIX) for declared in settings.DECLARED]
FILES = [f"{name}_FILE" for name in VARIABLES]
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
HIDDEN = "hunter2-swordfish"
SECRETS = TEXTS.map(lambda text: HIDDEN + text)
HOLDS_SECRETS = [
    declared.variable.removeprefix(PREFIX) + ending
    for declared in settings.DECLARED
    for ending in ("", "_FILE")
    if declared.secret
]


def complaint(variables):
    """Return the mistakes in *variables*, or nothing if they load."""
    with environment(**variables), suppress(ConfigError):
        settings.load()
        return ""
    return str(mistakes(**variables))


@given(
    st.dictionaries(st.sampled_from(VARIABLES + FILES), TEXTS),
    st.dictionaries(st.sampled_from(HOLDS_SECRETS), SECRETS),
)
def test_any_environment(variables, secrets):
    """Any texts load or are refused, and no message has a secret."""
    assert HIDDEN not in complaint(variables | secrets)


@given(st.sampled_from(VARIABLES), TEXTS)
def test_any_single_value(name, text):
    """A mistake in one variable names that variable."""
    found = complaint({name: text})

    assert not found or name in found


def test_one_port_for_both():
    """Ingest and admin can't share a port, unless each takes any free one."""
    (line,) = mistakes(INGEST_PORT="9999", ADMIN_PORT="9999")

    assert line.startswith("ADMIN_PORT is 9999, like INGEST_PORT")
    with environment(INGEST_PORT="0", ADMIN_PORT="0"):
        assert settings.load().admin_port == 0
