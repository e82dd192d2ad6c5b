"""The environment becomes settings, or a list of all mistakes in it."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import settings
from exporter.config.declaration import PREFIX
from tests.configured import configured, only_backend
from tests.unit.environments import URL, loaded, mistakes, unknown


def test_defaults():
    """With nothing but a URL, every other setting has its default."""
    assert loaded() == configured(url=URL)


def test_values_have_their_type():
    """Numbers become numbers, paths become paths; a host may be an address."""
    texts = {"URL": "https://[::1]/e?x=1", "BATCH_SIZE": "7", "SPOOL_DIR": "/var/spool"}
    typed = {"batch_size": 7, "spool_dir": Path("/var/spool")}

    assert loaded(**texts) == configured(url=texts["URL"], **typed)


def test_all_mistakes_at_once():
    """Every mistake has its line: the variable, its value and the rule."""
    lines = mistakes(URL="", BATCH_SIZE="many", ADMIN_PORT="99999", LOG_LEVEL="loud")

    assert [line.partition(";")[0] for line in lines] == [
        "URL is not set",
        "BATCH_SIZE is 'many'",
        "ADMIN_PORT is '99999'",
        "LOG_LEVEL is 'loud'",
    ]
    assert "from 1 to 10000" in lines[1]


REFUSED = {
    "URL": [
        *("https:///events", "https://a..b/", f"https://{'a' * 64}.example/"),
        *("https://back end.example/", "https://b.example:99999/", "http://b:0/"),
        *("https://user:hunter2@b.example/", "https://user@b.example/"),
        *("http://127.1/", "http://0x7f.1/", "http://2130706433/", "https://[::1/"),
        *("http://0177.0.0.1/", "http://127.0.0.1./", "http://1.2.3.256/"),
        *("http://\uff11\uff12\uff17.1/", "https://b.example/\nX-Other: 1"),
    ],
    "API_KEY_HEADER": ["Content-Type", "x-event-ids"],
    "ADMIN_HOST": ["a..b", "...", "x" * 64, "a:b:c.d/e", "::g", ":::"],
}
HIDDEN = {
    "URL": ["b.example/?hunter2", "ftp://hunter2/", "hunter2@https://b.example/"],
    "API_KEY_HEADER": ["X API", "X-Key:", "Authorization: Bearer hunter2"],
    "API_KEY": ["a\nX-Other: 1", "schlüssel", " padded", "a\tb"],
    "HEADERS": [
        *("X-Team", "X-Team:", "X Team: a", "X-Team: a, x-team: b", "X-Team: grün"),
        *("X-Team: a\r\n\tb", "Content-Type: text/plain", "X-Org-Id: 7"),
        "x-physical-tenant-id: red",
    ],
    "SIGNING_SECRETS": ["hunter2"],
}


def pairs(texts):
    """Return each variable with each of its *texts*."""
    return [(name, text) for name, each in texts.items() for text in each]


@pytest.mark.parametrize("name, text", pairs(REFUSED))
def test_values_that_are_refused(name, text):
    """A value that would fail later is a mistake, which shows no credentials."""
    (line,) = mistakes(**{name: text})

    shown = re.sub(".*@", "...@", text)
    assert line.startswith(f"{name} is {shown!r};")


@pytest.mark.parametrize("name, text", pairs(HIDDEN))
def test_values_that_are_hidden(name, text):
    """A wrong secret isn't shown, nor a URL or a header that may be a misplaced one."""
    (line,) = mistakes(**{name: text})

    assert line.startswith(f"{name} is '(hidden)'")
    assert "hunter2" not in line


@pytest.fixture
def file(tmp_path):
    """Return a function that writes a file and returns its path."""

    def write(content):
        (tmp_path / "file").write_bytes(content)
        return str(tmp_path / "file")

    return write


def test_variable_and_file_together(file):
    """A variable can't be set together with its file."""
    (line,) = mistakes(CLUSTER_ID="a", CLUSTER_ID_FILE=file(b"a"))

    assert line.startswith("CLUSTER_ID and CLUSTER_ID_FILE are both set")


@pytest.mark.parametrize(
    "name, content, right",
    [
        *(("CLUSTER_ID", x, "1 to 64 of") for x in (b"", b" \n", b"two words", b"\0")),
        ("EVENTS", b"user-task, hunter2", "like `user-task, "),
    ],
)
def test_file_with_wrong_content(file, name, content, right):
    """The content of a file has the rule of the variable, and isn't shown."""
    (line,) = mistakes(**{f"{name}_FILE": file(content)})

    assert line.startswith(f"{name}_FILE names a file")
    assert right in line
    assert "hunter2" not in line


def test_file_that_cannot_be_read(tmp_path, file):
    """A missing file, a directory and a binary file are reported by their path."""
    for path, reason in {
        tmp_path: "Is a directory",
        tmp_path / "missing": "No such file or directory",
        Path(file(b"\xff\xfe")): "not UTF-8 text",
        tmp_path / "file" / "below": "Not a directory",
        "x" * 5000: "File name too long",
    }.items():
        (line,) = mistakes(CLUSTER_ID_FILE=str(path))
        assert line.startswith(f"CLUSTER_ID_FILE is {str(path)!r} ({reason});")


@pytest.mark.parametrize(
    "key", ["hunter2", "/hunter2", "//hunter2", "/hunter2" + "x" * 300]
)
def test_secret_instead_of_its_file(key):
    """A key that stands where its file's path belongs isn't shown."""
    (line,) = mistakes(API_KEY_FILE=key)

    assert line.startswith("API_KEY_FILE is '(hidden)'")


@pytest.mark.parametrize(
    "text, organization",
    [("", ""), (" ", ""), ("null", ""), (" null\n", ""), ("org-7", "org-7")],
)
def test_the_organization(monkeypatch, text, organization):
    """The organization comes from the platform, whose words for "none" are known."""
    monkeypatch.setenv("CAMUNDA_CLOUD_ORGANIZATION_ID", text)

    assert only_backend(loaded()).organization_id == organization


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


def test_kubernetes_describes_a_service(file):
    """Its variables are ignored, even with the name of a setting, which has a file."""
    assert unknown(**SERVICE_LINKS) == []
    assert loaded(**SERVICE_LINKS).ingest_port == 9280
    assert loaded(INGEST_PORT_FILE=file(b"1234"), **SERVICE_LINKS).ingest_port == 1234


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
def test_a_secret_in_the_url(scheme):
    """The query of the URL may be a secret, so it isn't shown."""
    found = configured(url=f"{scheme}://backend.example/e?code=hunter2")

    shown = settings.effective(found)[f"{PREFIX}URL"]

    assert shown == f"{scheme}://backend.example/e?..."


SECRETS = [each for each in settings.DECLARED if each.secret]


@pytest.mark.parametrize("secret", SECRETS, ids=lambda each: each.name)
def test_no_secret_is_shown(secret):
    """Neither the settings in effect nor their repr show a secret."""
    found = configured(url=URL, **{secret.name: "hunter2"})

    assert settings.effective(found)[secret.variable] == "(hidden)"
    assert "hunter2" not in repr(found)


NAMES = [each.variable.removeprefix(PREFIX) for each in settings.DECLARED]
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
MARK = "hunter2-swordfish"


@given(
    st.dictionaries(st.sampled_from([*NAMES, *(f"{x}_FILE" for x in NAMES)]), TEXTS),
    st.dictionaries(
        st.sampled_from(
            [x.removeprefix(PREFIX) for s in SECRETS for x in (s.variable, s.file)]
        ),
        TEXTS.map(lambda text: MARK + text),
    ),
)
def test_any_environment(variables, secrets):
    """Any texts load or are refused, and no message has a secret."""
    try:
        loaded(**variables | secrets)
    except settings.SettingsError as error:
        assert MARK not in str(error)  # noqa: PT017 - no error is right, too
