"""
Everything that can go wrong on purpose, and what the operator should do then.

A refused or failed delivery is not here: it is expected, so it is a value.
"""


class ExporterError(Exception):
    """Base of all our errors: a problem, a remedy, and an exit status."""

    exit_status = 1

    def __init__(self, problem: str, *, remedy: str) -> None:
        """Join *problem* (what happened) and *remedy* (what to do) in one message."""
        self.problem, self.remedy = problem.rstrip("."), remedy
        super().__init__(f"{self.problem}. {remedy}")


class ConfigError(ExporterError):
    """The configuration can't be used; trying again won't help."""

    exit_status = 2
