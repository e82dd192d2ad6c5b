"""
What became of an attempt, by whose fault it is.

Pure: one function from an answer to a value. Nothing here is raised, because a
refusal is expected.
"""

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus


class Outcome(enum.StrEnum):
    """The four things that can become of a batch."""

    DELIVERED = "delivered"
    POSTPONED = "postponed"
    """The moment is bad: the same batch again, later."""
    REJECTED = "rejected"
    """The batch is bad: the backend will never take it as it is."""
    BLOCKED = "blocked"
    """The setup is bad: no batch will be taken before somebody changes something."""


class Failure(enum.StrEnum):
    """Why there was no answer."""

    CONNECTION = "connection"
    """Refused, reset, no route, broken off."""
    NAME = "name"
    """The name doesn't resolve."""
    TIMEOUT = "timeout"
    CERTIFICATE = "certificate"
    """TLS works, and the certificate doesn't verify."""
    PROXY = "proxy"
    """The proxy refuses to connect us."""
    TOKEN = "token"  # noqa: S105 - a name
    """No token can be had at the moment, so nothing was sent."""
    TOKEN_REFUSED = "token refused"  # noqa: S105 - likewise
    """Nobody will give us a token like this, so nothing was sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back of one request: a status, or the reason why there is none."""

    status: int | None = None
    failure: Failure | None = None
    detail: str = ""
    """For people; holds no credentials and no body."""
    excerpt: str = ""
    """The beginning of the body."""
    retry_after: float = 0.0
    """In how many seconds the backend wants to be asked again."""


# 409: the backend still works on a request with the same Idempotency-Key.
MOMENT = frozenset({408, 409, 425, 429})
# Wrong credentials, path, method or proxy; or the address is gone.
SETUP = frozenset({401, 403, 404, 405, 407, 410})
SETUP_FAILURES = frozenset({Failure.CERTIFICATE, Failure.PROXY, Failure.TOKEN_REFUSED})


NOTHING: Mapping[int, Outcome] = {}


def outcome_of(answer: Answer, overrides: Mapping[int, Outcome] = NOTHING) -> Outcome:
    """
    Return whose fault *answer* is; any status that means nothing here postpones.

    *overrides* says what a status means to this backend, where it isn't the usual.
    """
    status = answer.status
    if status is None:
        blocked = answer.failure in SETUP_FAILURES
        return Outcome.BLOCKED if blocked else Outcome.POSTPONED
    if status in overrides:
        return overrides[status]
    if 200 <= status <= 299:
        return Outcome.DELIVERED
    if 300 <= status <= 399 or status in SETUP:
        return Outcome.BLOCKED
    of_the_batch = 400 <= status <= 499 and status not in MOMENT
    return Outcome.REJECTED if of_the_batch else Outcome.POSTPONED


def outcomes_of(text: str) -> dict[int, Outcome]:
    """Return what *text* like `404=postponed,409=delivered` says about statuses."""
    pairs = (part.split("=") for part in text.split(",") if part.strip())
    return {int(status): Outcome(outcome.strip()) for status, outcome in pairs}


# What to do. A setting's name in braces stands for its variable.
REMEDIES = {
    Outcome.DELIVERED: "",
    Outcome.POSTPONED: "Check the backend: it has trouble; events are kept meanwhile",
    Outcome.REJECTED: "Check the backend's log: it refuses the request",
    Outcome.BLOCKED: "Correct {url}, or the backend's setup",
}
REMEDIES_BY_STATUS: dict[int | None, str] = {
    HTTPStatus.UNAUTHORIZED: "Correct {api_key}, {api_key_header}, or the settings of "
    "OAuth",
    HTTPStatus.FORBIDDEN: "Allow {api_key}, or the client in {oauth_client_id}, to "
    "post events",
    HTTPStatus.NOT_FOUND: "Correct the path in {url}",
    HTTPStatus.METHOD_NOT_ALLOWED: "Correct the path in {url}",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: "Put user and password for the proxy "
    "into its URL in HTTP_PROXY",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "Set {format} to a format that the backend "
    "reads; cloudevents-single sends one CloudEvent in each request",
    HTTPStatus.CONFLICT: "Check the backend: it says that it already has these "
    "events, or still works on them. If 409 means that it has them, set "
    "{status_outcomes}=409=delivered",
    HTTPStatus.GONE: "Correct the path in {url}",
}
REMEDIES_BY_FAILURE: dict[Failure | None, str] = {
    Failure.CERTIFICATE: "Set {tls_ca_path} to a file with the certificate of "
    "the backend's authority, or correct the backend's certificate",
    Failure.PROXY: "Correct the proxy in HTTPS_PROXY, let it connect us, or put the "
    "backend's host into NO_PROXY",
    Failure.TOKEN: "Check the token endpoint: it has trouble; events are kept "
    "meanwhile",
    Failure.TOKEN_REFUSED: "Correct {oauth_client_id}, {oauth_client_secret}, "
    "{oauth_authorization_server_url}, and the audience, scope or resource that is set",
    Failure.NAME: "Correct the host in {url}, or the name service",
    Failure.TIMEOUT: "Check the backend, or raise {request_timeout_ms}; events are "
    "kept meanwhile",
}


def remedy(answer: Answer, variable: Callable[[str], str]) -> str:
    """
    Return what to do about *answer*; an empty text for a success.

    *variable* returns the name that a setting has in the environment.
    """
    text = (
        REMEDIES_BY_STATUS.get(answer.status)
        or REMEDIES_BY_FAILURE.get(answer.failure)
        or REMEDIES[outcome_of(answer)]
    )
    if answer.status in range(300, 400):
        text = "Put the final address into {url}: redirects aren't followed"
    return re.sub(r"{(\w+)}", lambda found: variable(found[1]), text)
