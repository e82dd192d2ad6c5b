"""An answer decides the outcome of its batch."""

import pytest

from exporter.delivery import Answer, Outcome, outcome_of, outcomes_of, remedy
from exporter.delivery.outcome import Failure
from tests.configured import configured

DELIVERED, POSTPONED = Outcome.DELIVERED, Outcome.POSTPONED
REJECTED, BLOCKED = Outcome.REJECTED, Outcome.BLOCKED

# Every status there can be: the single ones first, then the rest of each hundred.
STATUSES = dict.fromkeys([401, 403, 404, 405, 407, 410], BLOCKED)
STATUSES |= dict.fromkeys([408, 409, 425, 429], POSTPONED)
HUNDREDS = {
    0: POSTPONED,
    1: POSTPONED,
    2: DELIVERED,
    3: BLOCKED,
    4: REJECTED,
    5: POSTPONED,
    9: POSTPONED,
}
FAILURES = dict.fromkeys(Failure, POSTPONED) | dict.fromkeys(
    [Failure.CERTIFICATE, Failure.PROXY, Failure.TOKEN_REFUSED], BLOCKED
)


@pytest.mark.parametrize("hundred", HUNDREDS)
def test_every_status(hundred):
    """Each status has one of four outcomes."""
    statuses = range(100 * hundred, 100 * hundred + 100)
    expected = {status: STATUSES.get(status, HUNDREDS[hundred]) for status in statuses}

    assert {status: outcome_of(Answer(status)) for status in statuses} == expected


def test_a_status_that_means_something_else():
    """An override changes the outcome of its status only."""
    overrides = outcomes_of("404=postponed, 409 = delivered,")

    assert overrides == {404: POSTPONED, 409: DELIVERED}
    assert outcome_of(Answer(404), overrides) == POSTPONED
    assert outcome_of(Answer(410), overrides) == BLOCKED
    assert outcomes_of("") == {}


def test_every_failure():
    """Without an answer, the kind of failure decides the outcome."""
    outcomes = {failure: outcome_of(Answer(failure=failure)) for failure in Failure}

    assert outcomes == FAILURES


@pytest.mark.parametrize(
    "answer, words",
    [
        (Answer(200), ""),
        (Answer(503), "events are kept"),
        (Answer(failure=Failure.TIMEOUT), "request_timeout_ms"),
        (Answer(400), "refuses the request"),
        (Answer(302), "final address into url"),
        (Answer(401), "api_key"),
        (Answer(404), "the path in url"),
        (Answer(failure=Failure.CERTIFICATE), "tls_ca_path"),
        (Answer(failure=Failure.CONNECTION), "scheme, host and port in url"),
        (Answer(407), "HTTP_PROXY"),
        (Answer(failure=Failure.PROXY), "NO_PROXY"),
        (Answer(failure=Failure.TOKEN), "the token endpoint"),
        (Answer(failure=Failure.TOKEN_REFUSED), "oauth_client_secret"),
    ],
    ids=str,
)
def test_remedies(answer, words):
    """Every failure has a remedy."""
    advice = remedy(answer, variable=str)

    assert words in advice
    assert bool(advice) is (outcome_of(answer) is not DELIVERED)


def test_remedies_name_variables_that_exist():
    """Every setting in a remedy has a variable."""
    variable = configured(url="https://a").backends["default"].variable
    answers = [Answer(status) for status in range(100, 600)]
    answers += [Answer(failure=failure) for failure in Failure]

    for answer in answers:
        assert "{" not in remedy(answer, variable)
    assert "APP_INTEGRATIONS_URL" in remedy(Answer(404), variable)
