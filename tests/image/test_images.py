"""Both images have correct labels and contents, and run under restrictions."""

import re
import ssl
import subprocess
import time
from asyncio import to_thread

import pytest

import exporter
from devkit.backend import Backend
from tests.conftest import eventually
from tests.image.docker import BASE_NAME, ROOT, docker, inspected, our_layers
from tests.service.certificates import authority_in, proof

MEGABYTE = 1_000_000


@pytest.fixture(params=["distribution", "standalone"])
def image(request, images):
    """Return the name of each of the images."""
    return getattr(images, request.param)


def test_the_version(image):
    """The command is in PATH and prints its version."""
    output = run(image, "app-integrations-exporter", "--version").stdout

    assert output == f"app-integrations-exporter {exporter.__version__}\n"


def test_the_distribution(images):
    """It has our entrypoint, and a tag that starts with Camunda's version."""
    config = inspected(images.distribution)["Config"]
    name = config["Labels"][BASE_NAME]
    base = inspected(name)["Config"]

    assert config["Entrypoint"] == ["/opt/app-integrations/app-integrations-entrypoint"]
    assert (config["User"], config["Env"]) == (base["User"], base["Env"])
    camunda = name.rpartition(":")[2]
    tag = images.distribution.rpartition(":")[2].removesuffix("-standin")
    assert tag == f"{camunda}-app-integrations-{exporter.__version__}"
    assert images.standalone.endswith(f":{exporter.__version__}")


def test_text_is_utf_8(images):
    """Messages with an umlaut are correct although a container has no locale."""
    refused = run(
        images.standalone,
        *("app-integrations-exporter", "config"),
        env={"APP_INTEGRATIONS_CLUSTER_ID": "Zürich", "LC_ALL": "POSIX"},
        status=2,
    )

    assert "'Zürich'" in refused.stderr


def test_the_labels(image):
    """The labels of an image have title, licence and commit."""
    labels = inspected(image)["Config"]["Labels"]
    command = ["git", "-C", ROOT, "rev-parse", "HEAD"]
    git = subprocess.run(command, capture_output=True, text=True, check=False)

    names = "title", "version", "licenses", "revision"
    title, *rest = (labels[f"org.opencontainers.image.{name}"] for name in names)
    assert "App Integrations Exporter" in title
    revision = git.stdout.strip() or "unknown"  # outside a Git checkout
    assert rest == [exporter.__version__, "Apache-2.0", revision]


def test_the_size(image):
    """Our layers add less than 60 MB to an image."""
    base = inspected(image)["Config"]["Labels"][BASE_NAME]

    assert 0 < inspected(image)["Size"] - inspected(base)["Size"] < 60 * MEGABYTE


def test_nothing_else_is_added(images, added):
    """Our layers only add the bundle and two links."""
    for image in images:
        outside = [path for path in added[image] if not path.startswith("opt/app-")]
        assert sorted(outside) == [
            "usr/local/bin/app-integrations-entrypoint",
            "usr/local/bin/app-integrations-exporter",
        ]
    assert our_layers(images.distribution) == 2


def test_the_authorities(added):
    """The bundle has public authorities, and none that only the build trusted."""
    pem = re.compile("-----BEGIN CERT.+?-----END CERTIFICATE-----", re.DOTALL)
    own = {
        ssl.PEM_cert_to_DER_cert(certificate)
        for path in (ROOT / "docker" / "certs").glob("*.crt")
        for certificate in pem.findall(path.read_text(encoding="utf-8"))
    }

    for files in added.values():
        listed = files["opt/app-integrations/ca-certificates.crt"].decode()
        public = set(map(ssl.PEM_cert_to_DER_cert, pem.findall(listed)))
        assert any(b"ISRG Root X1" in certificate for certificate in public)
        assert public.isdisjoint(own)
        for content in files.values():
            assert not any(certificate in content for certificate in own)


@pytest.mark.parametrize(
    "place", ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"]
)
async def test_an_image_has_its_own_authorities(images, tmp_path, place):
    """The exporter trusts the image's authorities, in any of the usual paths."""
    authority, settings = authority_in(tmp_path)
    async with Backend(tls=proof(authority)) as backend:
        url = {"APP_INTEGRATIONS_URL": backend.url}
        known = {"--volume": f"{settings['tls_ca_path']}:{place}:ro"}
        command = ("app-integrations-exporter", "check")

        image = images.standalone
        trusting = await to_thread(run, image, *command, env=url, options=known)
        refused = await to_thread(run, image, *command, env=url, status=1)

    assert "problem" not in trusting.stdout
    assert "certificate" in refused.stdout


async def test_a_container_of_its_own(container):
    """The exporter is soon ready without a home, shows its status, and stops."""
    begun = time.monotonic()
    await eventually(lambda: '"ready"' in docker("logs", container).stderr, within=30)
    took = time.monotonic() - begun
    status = docker("exec", container, "app-integrations-exporter", "status")
    docker("stop", container)

    # It takes half a second on an idle machine; the limit is for busy ones.
    assert took < 5
    assert "nothing waits" in status.stdout
    assert inspected(container)["State"]["ExitCode"] == 0


def run(image, command, *arguments, env=None, options=None, status=0):
    """Run *command* in a read-only container of *image*; return the process."""
    options = {"--user": "123456:0", "--cap-drop": "ALL"} | (options or {})
    ran = docker(
        *("run", "--rm", "--read-only", "--network", "host"),
        *(text for option in options.items() for text in option),
        *(f"--env={name}={value}" for name, value in (env or {}).items()),
        *("--entrypoint", command, image, *arguments),
        check=False,
    )
    assert ran.returncode == status, ran.stderr
    return ran
