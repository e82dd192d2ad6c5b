"""
Why a spool can't be opened, or can't accept more.

What isn't accepted isn't lost: the broker keeps the records and repeats them.
"""

from pathlib import Path

from exporter.base.errors import ExporterError

MIB = 1024 * 1024


class SpoolFullError(ExporterError):
    """Accepting more would exceed the configured limit."""

    def __init__(
        self, waiting: int, dead: int, more: int, limit: int, *, left_behind: int
    ) -> None:
        """Name the numbers, in bytes, so the message alone tells how far off we are."""
        past = decide = ""
        if left_behind:
            past = f"{left_behind} for backends that aren't configured any more, "
            decide = (
                "decide about those backends (app-integrations-exporter backends "
                "--help), "
            )
        super().__init__(
            f"The spool holds {waiting + dead} of at most {limit} bytes, {dead} in "
            f"dead letters, {past}and has no room for {more} more",
            remedy="The backend doesn't keep up, or there are too many dead letters: "
            f"look at the log for the reason, {decide}or raise "
            "APP_INTEGRATIONS_SPOOL_MAX_BYTES",
        )
        self.lacking = waiting + dead + more - limit
        """How many bytes must go before as many more as were wanted find room."""
        self.hopeless = dead + left_behind + more > limit
        """Whether not even without all that can be delivered there would be room."""


class SpoolFailedError(ExporterError):
    """The disk didn't take what was to be written; nothing of it is stored."""

    def __init__(self, reason: object) -> None:
        """Say what SQLite or the system said."""
        super().__init__(
            f"The spool can't be written: {reason}",
            remedy="Check free space, permissions and health of the disk behind "
            "APP_INTEGRATIONS_SPOOL_DIR; the broker keeps the records and tries again",
        )


class SpoolDiskFullError(SpoolFailedError):
    """The disk has so little left that no new events are accepted."""

    def __init__(self, left: int, free: int, reserve: int, *, hopeless: bool) -> None:
        """Name the numbers, in bytes; *free* are those inside the file."""
        super().__init__(
            f"the disk has {max(left, 0)} bytes left, and the spool's file {free} "
            f"inside; {reserve} are kept free so that what is held can still be "
            "delivered"
        )
        self.lacking = reserve - left - free + MIB
        """How many bytes must be free before more is accepted, and some more do."""
        self.hopeless = hopeless
        """Whether no waiting event could make enough room."""


class SpoolLostError(SpoolFailedError):
    """A file was removed, replaced or cut short under the running service."""

    def __init__(self, path: Path) -> None:
        """Name the *path*."""
        super().__init__(
            f"{path} was removed or replaced; what it held is being delivered, and "
            "only a restart begins a new one"
        )


class SpoolDamagedError(SpoolFailedError):
    """The file's contents are wrong; only a restart, which salvages them, helps."""

    def __init__(self, path: Path, reason: object) -> None:
        """Name the *path* and what SQLite said."""
        super().__init__(
            f"{path} is damaged ({reason}); the next start salvages what can be read"
        )


class SpoolUnsoundError(ExporterError):
    """The file is damaged, and whoever asked isn't the one to salvage it."""

    def __init__(self, path: Path, reason: object) -> None:
        """Name the *path* and what is wrong with it."""
        super().__init__(
            f"The spool {path} is damaged: {reason}",
            remedy="Start the service: it salvages what can be read, sets the file "
            "aside, and says in its log what is missing",
        )


class SpoolInUseError(ExporterError):
    """Another service holds the spool."""

    def __init__(self, directory: Path, holder: str) -> None:
        """Name the *directory* and who holds it."""
        super().__init__(
            f"The spool {directory} is in use by {holder}",
            remedy="Stop that service, or give this one a directory of its own with "
            "APP_INTEGRATIONS_SPOOL_DIR",
        )


class SpoolVersionError(ExporterError):
    """The file was written by an older or a newer exporter."""

    def __init__(self, path: Path, version: int, *, known: int) -> None:
        """Name the *path* and both versions."""
        super().__init__(
            f"The spool {path} has schema version {version}, and this exporter knows "
            f"version {known} only",
            remedy="Deliver what it holds with the older or newer exporter that wrote "
            "it, or set APP_INTEGRATIONS_SPOOL_DIR to another directory",
        )


class SpoolUnusableError(ExporterError):
    """The file can't be opened."""

    def __init__(self, path: Path, reason: object) -> None:
        """Name the *path* and what SQLite or the system said."""
        super().__init__(
            f"The spool {path} can't be opened: {reason}",
            remedy="Check the directory's permissions and free space, or set "
            "APP_INTEGRATIONS_SPOOL_DIR to another directory",
        )
