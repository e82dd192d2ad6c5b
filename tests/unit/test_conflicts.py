"""Settings that can be used by themselves, and not together, are mistakes."""

import pytest

from tests.configured import only_backend
from tests.unit.environments import loaded, mistakes

OAUTH = {
    "OAUTH_CLIENT_ID": "exporter",
    "OAUTH_CLIENT_SECRET": "hunter2",
    "OAUTH_AUTHORIZATION_SERVER_URL": "https://login.example/oauth/token",
}


@pytest.mark.parametrize(
    "credential, name, header",
    [
        ({"API_KEY": "k"}, "X-API-KEY", "x-api-KEY: other"),
        (OAUTH, "Authorization", "authorization: x"),
    ],
)
def test_one_credential_in_a_header(credential, name, header):
    """The header of a credential can't be set a second time, in any spelling."""
    (line,) = mistakes(**credential, HEADERS=header)

    assert line.startswith(f"HEADERS has {name}")
    assert only_backend(loaded(HEADERS=header)).headers == header


def test_oauth():
    """OAuth needs nothing but its three settings, and excludes an API key."""
    (line,) = mistakes(**OAUTH, API_KEY="k")

    assert line.startswith("API_KEY and OAUTH_CLIENT_ID are both set")
    assert only_backend(loaded(**OAUTH)).oauth_client_id == "exporter"


@pytest.mark.parametrize("left", [*OAUTH, "OAUTH_AUDIENCE"])
def test_half_of_oauth(left):
    """The settings for a token are set together, or not at all."""
    lines = mistakes(**{left: OAUTH.get(left, "a")})

    assert [line.partition(";")[0] for line in lines] == [
        f"{name} is not set, while {left} is" for name in OAUTH if name != left
    ]


def test_ingest_others_reach_needs_a_user():
    """The ingest needs a user and a password on any address except loopback."""
    (line,) = mistakes(INGEST_HOST="0.0.0.0")  # noqa: S104 - the point

    assert line.startswith("INGEST_HOST is '0.0.0.0', which others")
    for host in ("localhost", "127.8.8.8", "::1"):
        assert loaded(INGEST_HOST=host).ingest_host == host
    known = loaded(INGEST_HOST="::", INGEST_USERNAME="b", INGEST_PASSWORD="p")
    assert known.ingest_username == "b"


@pytest.mark.parametrize("name", ["INGEST_USERNAME", "INGEST_PASSWORD"])
def test_user_and_password_belong_together(name):
    """A user without a password, or the reverse, is a mistake."""
    (line,) = mistakes(**{name: "x"})

    assert line.startswith("INGEST_USERNAME and INGEST_PASSWORD belong together")


def test_one_port_for_both():
    """Ingest and admin can't share a port, unless each takes any free one."""
    (line,) = mistakes(INGEST_PORT="9999", ADMIN_PORT="9999")

    assert line.startswith("ADMIN_PORT is 9999, like INGEST_PORT")
    assert loaded(INGEST_PORT="0", ADMIN_PORT="0").admin_port == 0


def test_settings_that_contradict_and_are_wrong():
    """A setting that is wrong by itself causes no second mistake."""
    (line,) = mistakes(INGEST_HOST="0.0.0.0", INGEST_USERNAME="a:b")  # noqa: S104

    assert line.startswith("INGEST_USERNAME is 'a:b';")
