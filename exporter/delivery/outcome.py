"""
The outcome of an attempt, and what to do about a failure.

Pure. An outcome is a value and never raised, because a refusal is expected.
"""

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus


class Outcome(enum.StrEnum):
    """What an answer means for a batch."""

    DELIVERED = "delivered"
    POSTPONED = "postponed"
    """A temporary failure: the batch is retried later."""
    REJECTED = "rejected"
    """The batch is bad: the backend will never accept it as it is."""
    BLOCKED = "blocked"
    """The setup is wrong: no batch is accepted until somebody changes something."""


class Failure(enum.StrEnum):
    """Why there was no answer."""

    CONNECTION = "connection"
    """Refused, reset, closed early, or no route."""
    NAME = "name"
    """The name doesn't resolve."""
    TIMEOUT = "timeout"
    CERTIFICATE = "certificate"
    """The certificate can't be verified."""
    PROXY = "proxy"
    """The proxy refuses to connect."""
    TOKEN = "token"  # noqa: S105 - a name
    """The token endpoint has trouble, so nothing was sent."""
    TOKEN_REFUSED = "token refused"  # noqa: S105 - a name
    """The token endpoint refuses us, so nothing was sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request: a status, or the reason why there is none."""

    status: int | None = None
    failure: Failure | None = None
    detail: str = ""
    """For people; without credentials and without the body."""
    excerpt: str = ""
    """The beginning of the body."""
    retry_after: float = 0.0
    """How many seconds the backend asks to wait."""


# 409: the backend is still working on a request with the same Idempotency-Key.
TEMPORARY = frozenset({408, 409, 425, 429})
# Wrong credentials, path, method or proxy, or the address is gone.
SETUP = frozenset({401, 403, 404, 405, 407, 410})
SETUP_FAILURES = frozenset({Failure.CERTIFICATE, Failure.PROXY, Failure.TOKEN_REFUSED})
NO_OVERRIDES: Mapping[int, Outcome] = {}


def outcome_of(
    answer: Answer, overrides: Mapping[int, Outcome] = NO_OVERRIDES
) -> Outcome:
    """
    Return the outcome of *answer*; an unknown status is temporary.

    *overrides* has the outcomes of statuses that differ for this backend.
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
    is_bad_batch = 400 <= status <= 499 and status not in TEMPORARY
    return Outcome.REJECTED if is_bad_batch else Outcome.POSTPONED


def outcomes_of(text: str) -> dict[int, Outcome]:
    """Return the outcomes in a *text* like `404=postponed,409=delivered`."""
    pairs = (part.split("=") for part in text.split(",") if part.strip())
    return {int(status): Outcome(outcome.strip()) for status, outcome in pairs}


REMEDIES: Mapping[int | str | None, str] = {
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
    Failure.CERTIFICATE: "Set {tls_ca_path} to a file with the certificate of "
    "the server's authority, renew or correct the server's certificate, or correct "
    "the host in its URL",
    Failure.CONNECTION: "Check the backend, and scheme, host and port in {url}; events "
    "are kept meanwhile",
    Failure.PROXY: "Correct the proxy in HTTPS_PROXY, let it connect to the backend, "
    "or put the backend's host into NO_PROXY",
    Failure.TOKEN: "Check the token endpoint in {oauth_authorization_server_url}: it "
    "fails at the moment; events are kept",
    Failure.TOKEN_REFUSED: "Correct {oauth_client_id}, {oauth_client_secret}, "
    "{oauth_authorization_server_url}, and the audience, scope or resource that is set",
    Failure.NAME: "Correct the host in {url}, or the name service",
    Failure.TIMEOUT: "Check the backend, or raise {request_timeout_ms}; events are "
    "kept meanwhile",
    Outcome.DELIVERED: "",
    Outcome.POSTPONED: "Check the backend: it fails at the moment; events are kept",
    Outcome.REJECTED: "Check the backend's log: it refuses the request",
    Outcome.BLOCKED: "Correct {url}, or the backend's setup",
}
"""What to do. A setting's name in braces stands for its variable."""
REDIRECT = "Put the final address into {url}: redirects aren't followed"


def remedy(answer: Answer, variable: Callable[[str], str]) -> str:
    """
    Return the remedy for *answer*; an empty text for a success.

    *variable* returns the name that a setting has in the environment.
    """
    keys = (answer.status, answer.failure, outcome_of(answer))
    text = next(REMEDIES[key] for key in keys if key in REMEDIES)
    if answer.status in range(300, 400):
        text = REDIRECT
    return re.sub(r"{(\w+)}", lambda found: variable(found[1]), text)
