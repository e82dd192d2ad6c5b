"""A broker in a container, the backend on this machine, and people in between."""

from contextlib import asynccontextmanager

import pytest
from testcontainers.core.config import testcontainers_config
from testcontainers.core.network import Network

from tests.containers.backend import Backend
from tests.containers.brokers import Broker, new_volume
from tests.image.docker import BASE_NAME, built, inspected

# What would sweep up behind us is one more image, which not everybody can pull.
testcontainers_config.ryuk_disabled = True


@pytest.fixture(scope="session")
def images():
    """Return the names of both images."""
    return built()


@pytest.fixture
def distribution(images):
    """Return the image with broker and exporter."""
    return images.distribution


@pytest.fixture
def standalone(images):
    """Return the image with the exporter alone."""
    return images.standalone


@pytest.fixture
def camunda(distribution):
    """Return the broker's image, unmodified."""
    return inspected(distribution)["Config"]["Labels"][BASE_NAME]


@pytest.fixture
async def backend():
    """Accept every event."""
    backend = Backend()
    backend.up()
    yield backend
    backend.down()


@pytest.fixture
def volume():
    """Return a volume that outlives the containers of one test."""
    with new_volume() as name:
        yield name


@pytest.fixture
def network():
    """Return a network for the containers of one test."""
    with Network() as network:
        yield network


@pytest.fixture
def configured(backend):
    """Return the one setting that it takes."""
    return {"APP_INTEGRATIONS_URL": backend.url}


@pytest.fixture
def prepare(distribution, configured):
    """Return what makes a broker with the exporter in it; `with` starts and ends it."""

    def prepared(*, image=distribution, environment=None, **options):
        variables = configured | (environment or {})
        return Broker(image, environment=variables, **options)

    return prepared


@pytest.fixture
def start(prepare):
    """Return what starts such a broker; `async with` waits until it takes commands."""

    @asynccontextmanager
    async def started(**options):
        with prepare(**options) as broker:
            await broker.ready()
            yield broker

    return started
