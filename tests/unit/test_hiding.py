"""Secrets in a backend's answer are hidden."""

import pytest

from exporter.delivery.auth.hiding import hide, secrets_of

HEADERS = {
    "Content-Type": "application/json",
    "X-Api-Key": "hunter22",
    "X-Spelled": 'a"b\\c<d>&1',
    "X-Path": "ab/cd",
    "Authorization": "Bearer abc.def",
    "Proxy-Authorization": "Basic YW5uOmh1bnRlcjI=",
    "X-Team": "blue team",
    "X-Event-Ids": "1-1-1,1-2-2",
    "X-Physical-Tenant-Id": "orange",
    "X-Short": "a",
}
SECRETS = secrets_of(
    HEADERS, "https://backend.example/in?token=s%C3%A4cret&v=%7e1#fragment"
)


@pytest.mark.parametrize(
    "secret",
    [
        "hunter22",
        "Bearer abc.def",
        "abc.def",
        "blue team",
        "token=s%C3%A4cret&v=%7e1",
        "s\u00e4cret",
        "fragment",
        "hunter2",  # basic authentication, decoded
        "ann:hunter2",
        r"a\"b\\c<d>&1",  # JSON
        "a&quot;b\\c&lt;d&gt;&amp;1",  # HTML
        "a%22b%5Cc%3Cd%3E%261",  # a URL
        r"a\"b\\c\u003cd\u003e\u00261",  # JSON of Go and others
        r"ab\/cd",  # JSON of PHP
    ],
)
def test_what_is_hidden(secret):
    """Keys, tokens, extra headers and the query are hidden in every usual encoding."""
    assert hide(SECRETS, f"you sent {secret}!") == "you sent (hidden)!"


def test_what_is_shown():
    """Texts that aren't secret are shown."""
    text = "400 Bad Request: application/json 1-1-1 of orange at backend.example/in"
    assert hide(SECRETS, text) == text


@pytest.mark.parametrize("length", [4, 7])
def test_cut_off(length):
    """The beginning of a secret is hidden at the end of a cut answer."""
    assert hide(SECRETS, f"you sent {'hunter22'[:length]}") == "you sent (hidden)"
