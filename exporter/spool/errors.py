"""
Errors for a spool that can't be opened or can't accept more events.

Nothing is lost with them: the broker keeps the records and sends them again.
"""

from pathlib import Path

from exporter.base.errors import ExporterError

MIB = 1024 * 1024


class SpoolFullError(ExporterError):
    """Accepting *more* would exceed the configured *limit*; all sizes are in bytes."""

    def __init__(
        self, more: int, limit: int, *, waiting: int, dead: int, held: int
    ) -> None:
        left_behind = held - waiting - dead
        super().__init__(
            f"The spool holds {held} of at most {limit} bytes ({dead} in dead letters, "
            f"{left_behind} for backends that aren't configured), "
            f"and {more} more don't fit",
            remedy="The backend is too slow, or dead letters or other backends' events "
            "take the room: check the log, see app-integrations-exporter dead-letters "
            "--help and drop-backend --help, or raise APP_INTEGRATIONS_SPOOL_MAX_BYTES",
        )
        self.missing = held + more - limit
        """The bytes that must be freed before a request of this size fits."""
        self.hopeless = self.missing > waiting
        """Whether the request wouldn't fit even if all events were delivered."""


class SpoolFailedError(ExporterError):
    """The spool can't be written; nothing of the request is stored."""

    advice = (
        "Check free space, permissions and health of the disk with "
        "APP_INTEGRATIONS_SPOOL_DIR; the broker keeps the records and tries again"
    )

    def __init__(self, reason: object) -> None:
        super().__init__(f"The spool can't be written: {reason}", remedy=self.advice)


class SpoolDiskFullError(SpoolFailedError):
    """The disk is too full for new events; all sizes are in bytes."""

    def __init__(self, left: int, free: int, reserve: int, *, hopeless: bool) -> None:
        super().__init__(
            f"the disk has {max(left, 0)} bytes left, and the spool's file has {free} "
            f"free inside; {reserve} are reserved so that waiting events can still be "
            "delivered"
        )
        self.missing = reserve - left - free + MIB
        """The bytes that must be freed before new events are accepted, plus some."""
        self.hopeless = hopeless
        """Whether discarding waiting events couldn't free enough."""


class SpoolLostError(SpoolFailedError):
    """A file was removed, replaced or truncated while the service was running."""

    advice = (
        "Find out what removed it. Restart the exporter when app-integrations-exporter "
        "status shows that no event waits; until then the broker keeps its records"
    )

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} was removed or replaced; its events are still delivered, and a "
            "restart begins a new file"
        )


class SpoolDamagedError(SpoolFailedError):
    """The file is damaged; a restart salvages its events."""

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(
            f"{path} is damaged ({reason}); the next start salvages what can be read"
        )


class SpoolUnsoundError(ExporterError):
    """The file is damaged, and a command doesn't salvage it."""

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(
            f"The spool {path} is damaged: {reason}",
            remedy="Start the service: it salvages what can be read, keeps the damaged "
            "file under another name, and logs what is missing",
        )


class SpoolInUseError(ExporterError):
    """Another service uses the spool."""

    def __init__(self, directory: Path, holder: str) -> None:
        super().__init__(
            f"The spool {directory} is in use by {holder}",
            remedy="Stop that service, or set APP_INTEGRATIONS_SPOOL_DIR to another "
            "directory",
        )


class SpoolVersionError(ExporterError):
    """An older or newer exporter has written the file."""

    def __init__(self, path: Path, version: int, *, known: int) -> None:
        super().__init__(
            f"The spool {path} has schema version {version}, and this exporter only "
            f"reads version {known}",
            remedy="Deliver its events with the older or newer exporter that wrote "
            "it, or set APP_INTEGRATIONS_SPOOL_DIR to another directory",
        )


class SpoolUnusableError(ExporterError):
    """The file or its directory can't be opened."""

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(
            f"The spool {path} can't be opened: {reason}",
            remedy="Check the directory's permissions and free space, or set "
            "APP_INTEGRATIONS_SPOOL_DIR to another directory",
        )
