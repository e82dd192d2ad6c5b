"""Secrets in a backend's answer are hidden."""

import pytest

from exporter.delivery.auth.hiding import hide, secrets_of

HEADERS = {
    "Content-Type": "application/json",
    "X-Api-Key": "hunter22",
    "Authorization": "Bearer abc.def",
    "X-Team": "blue team",
    "X-Event-Ids": "1-1-1,1-2-2",
    "X-Physical-Tenant-Id": "orange",
    "X-Short": "a",
}
URL = "https://backend.example/in?token=s%C3%A4cret&v=1#fragment"


def hidden(text):
    """Return *text* without secrets."""
    return hide(secrets_of(HEADERS, URL), text)


def test_what_is_hidden():
    """Keys, tokens, extra headers and the query of the URL are hidden."""
    for secret in (
        "hunter22",
        "Bearer abc.def",
        "abc.def",
        "blue team",
        "token=s%C3%A4cret&v=1",
        "s\u00e4cret",
        "fragment",
    ):
        assert hidden(f"you sent {secret}!") == "you sent (hidden)!"


def test_what_is_shown():
    """Texts that aren't secret are shown."""
    text = "400 Bad Request: application/json 1-1-1 of orange at backend.example/in"
    assert hidden(text) == text


@pytest.mark.parametrize(
    "spelled",
    [
        r"a\"b\\c<d>&1",  # JSON
        "a&quot;b\\c&lt;d&gt;&amp;1",  # HTML
        "a%22b%5Cc%3Cd%3E%261",  # a URL
        r"a\"b\\c\u003cd\u003e\u00261",  # JSON of Go and others
    ],
)
def test_spellings(spelled):
    """A secret is hidden in every usual encoding."""
    secrets = secrets_of({"X-Api-Key": 'a"b\\c<d>&1'}, URL)

    assert hide(secrets, f"you sent {spelled}!") == "you sent (hidden)!"


def test_slashes():
    """A secret is hidden in JSON of PHP, which escapes slashes."""
    secrets = secrets_of({"X-Api-Key": "ab/cd"}, URL)

    assert hide(secrets, r"you sent ab\/cd!") == "you sent (hidden)!"


def test_basic_authentication():
    """User and password of basic authentication are hidden when decoded."""
    secrets = secrets_of({"Authorization": "Basic YW5uOmh1bnRlcjI="}, URL)

    assert hide(secrets, "no hunter2, no ann:hunter2") == "no (hidden), no (hidden)"


@pytest.mark.parametrize("length", range(4, 8))
def test_cut_off(length):
    """The beginning of a secret is hidden at the end of a cut answer."""
    assert hidden(f"you sent {'hunter22'[:length]}") == "you sent (hidden)"
