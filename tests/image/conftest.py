"""Both images, built like `make image` does, and their files."""

import io
import json
import tarfile

import pytest

from tests.image.docker import built, docker, our_layers


@pytest.fixture(scope="session")
def images():
    """Return the names of both images."""
    return built()


@pytest.fixture(scope="session")
def added(images, tmp_path_factory):
    """Return, by image, the files that our layers add: contents by path."""
    return {
        image: dict(_files(image, tmp_path_factory.mktemp("layers") / "image.tar"))
        for image in images
    }


def _files(image, archive):
    docker("save", "--output", str(archive), image)
    with tarfile.open(archive) as saved:
        manifest = json.load(saved.extractfile("manifest.json"))
        for layer in manifest[0]["Layers"][-our_layers(image) :]:
            content = io.BytesIO(saved.extractfile(layer).read())
            with tarfile.open(fileobj=content) as files:
                for file in files:
                    if not file.isdir():
                        data = files.extractfile(file) if file.isfile() else None
                        yield file.name, data.read() if data else b""
    archive.unlink()


@pytest.fixture
def container(images):
    """Start the standalone exporter with the restrictions of a strict cluster."""
    settings = {"HOME": "/nonexistent", "TMPDIR": "/nonexistent"}
    settings["APP_INTEGRATIONS_URL"] = "http://127.0.0.1:9/"
    container = docker(
        *("run", "--detach", "--read-only", "--user", "123456:0"),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *(f"--env={name}={value}" for name, value in settings.items()),
        images.standalone,
    ).stdout.strip()
    yield container
    docker("rm", "--force", "--volumes", container)
