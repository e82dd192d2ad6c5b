"""
Expected errors, which tell the operator what happened and what to do.

A failed delivery isn't an error but a value, because it is part of the normal work.
"""


class ExporterError(Exception):
    """Base class of our errors: a problem, a remedy, and an exit status."""

    exit_status = 1

    def __init__(self, problem: str, *, remedy: str) -> None:
        """Join *problem* (what happened) and *remedy* (what to do) in a message."""
        self.problem, self.remedy = problem.rstrip("."), remedy
        super().__init__(f"{self.problem}. {remedy}")


class ConfigError(ExporterError):
    """The configuration is wrong; trying again won't help."""

    exit_status = 2
