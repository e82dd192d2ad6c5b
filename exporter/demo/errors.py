"""What can go wrong around the engine and the processes the demo starts."""

from exporter.errors import ExporterError


class StartError(ExporterError):
    """A process ended, or never became ready, instead of serving."""


class EngineError(ExporterError):
    """The engine refused a request of ours."""

    def __init__(self, status: int, request: str, answer: str) -> None:
        """Keep the *status*: 404 may only mean that somebody was faster."""
        super().__init__(f"The engine answered {status} to {request}", remedy=answer)
        self.status = status


class ReplayError(ExporterError):
    """The exporter didn't take what a broker would send."""
