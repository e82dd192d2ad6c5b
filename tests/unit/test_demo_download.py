"""The broker is fetched once, whole, or not at all."""

import hashlib
import io
import tarfile

import pytest

from exporter.demo import download
from exporter.demo.download import Release, broker_home
from exporter.demo.errors import BrokerUnavailableError
from exporter.demo.screen import Screen


def an_archive():
    """Return an archive of a tiny release."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        member = tarfile.TarInfo("camunda-zeebe-1.2.3/bin/broker")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"#!/sh"))
    return content.getvalue()


ARCHIVE = an_archive()
RELEASE = Release("1.2.3", hashlib.sha256(ARCHIVE).hexdigest())


class Registry:
    """Where releases come from, and how often somebody asked."""

    def __init__(self, content):
        """Offer *content*; an exception is raised halfway."""
        self.content = content
        self.asked = 0

    def __call__(self, _release, directory, _screen):
        """Put the archive into *directory*."""
        self.asked += 1
        archive = directory / "archive.tar.gz"
        if isinstance(self.content, BaseException):
            archive.write_bytes(ARCHIVE[:10])
            raise self.content
        archive.write_bytes(self.content)
        return archive


def get(cache, registry):
    """Return the home of the tiny release."""
    screen = Screen(io.StringIO())
    return broker_home(screen, release=RELEASE, cache=cache, fetch=registry)


def left_in(cache):
    """Return the names of what is in the cache, except the lock."""
    return [each.name for each in cache.iterdir() if each.name != ".lock"]


def test_fetched_once(tmp_path):
    """The second run finds what the first one unpacked, and nothing else is left."""
    registry = Registry(ARCHIVE)

    assert get(tmp_path / "cache", registry) == get(tmp_path / "cache", registry)
    assert registry.asked == 1
    assert left_in(tmp_path / "cache") == ["camunda-zeebe-1.2.3"]
    home = tmp_path / "cache" / "camunda-zeebe-1.2.3"
    assert (home / "bin" / "broker").read_bytes() == b"#!/sh"


@pytest.mark.parametrize(
    "trouble",
    [
        KeyboardInterrupt(),
        ConnectionResetError("connection reset"),
        OSError(28, "No space left on device"),
        RuntimeError("not found in remote repositories"),
        ARCHIVE[:-20],
        b"<html>an error page</html>",
    ],
)
def test_interrupted(tmp_path, trouble):
    """An interruption, of whatever kind, leaves nothing; the next run starts afresh."""
    with pytest.raises((KeyboardInterrupt, BrokerUnavailableError)):
        get(tmp_path, Registry(trouble))

    assert left_in(tmp_path) == []
    assert get(tmp_path, Registry(ARCHIVE)).is_dir()


def test_killed(tmp_path):
    """What a killed run left behind is swept up, and not mistaken for a release."""
    left_over = tmp_path / ".incomplete-x" / "camunda-zeebe-1.2.3"
    left_over.mkdir(parents=True)

    assert get(tmp_path, Registry(ARCHIVE)).is_dir()
    assert left_in(tmp_path) == ["camunda-zeebe-1.2.3"]


def test_says_what_is_wrong(tmp_path):
    """The error names the innermost cause, and what would help."""
    with pytest.raises(BrokerUnavailableError) as caught:
        get(tmp_path, Registry(OSError("name resolution failed")))

    assert str(caught.value) == (
        "The broker 1.2.3 can't be fetched (name resolution failed). "
        f"It needs Maven Central, and 700 MB below {tmp_path} (or XDG_CACHE_HOME)."
    )


def test_cache_that_cannot_be_made(tmp_path):
    """A cache that can't be written is said, too."""
    (tmp_path / "file").touch()

    with pytest.raises(BrokerUnavailableError, match="can't be fetched"):
        get(tmp_path / "file" / "cache", Registry(ARCHIVE))


def test_cache_directory(monkeypatch, tmp_path):
    """The cache is where the user's caches are."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert download.cache_directory() == tmp_path / "app-integrations-exporter"

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/ann")
    assert (
        str(download.cache_directory()) == "/home/ann/.cache/app-integrations-exporter"
    )
