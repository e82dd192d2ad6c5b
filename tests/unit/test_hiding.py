"""A backend that echoes the request doesn't bring our secrets into the log."""

from exporter.delivery.hiding import secrets_of, without

HEADERS = {
    "Content-Type": "application/json",
    "X-Api-Key": "hunter22",
    "Authorization": "Bearer abc.def",
    "X-Team": "blue team",
    "X-Event-Ids": "1-1-1,1-2-2",
    "X-Short": "a",
}
URL = "https://backend.example/in?token=s%C3%A4cret&v=1#fragment"


def hidden(text):
    """Return what is left of *text*."""
    return without(secrets_of(HEADERS, URL), text)


def test_what_is_hidden():
    """Keys, tokens, headers of one's own, and the query of the URL."""
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
    """What tells an operator something, and keeps nothing secret, stays."""
    text = "400 Bad Request: application/json 1-1-1 at backend.example/in"
    assert hidden(text) == text
