"""A broker in a container, the backend on this machine, and people in between."""

import os
from contextlib import asynccontextmanager

import pytest

from tests.containers.backend import Backend
from tests.containers.brokers import Broker, new_volume


def image(variable):
    """Return the image that `make integration-test` names in *variable*."""
    if variable not in os.environ:
        pytest.fail(f"{variable} names no image: use `make integration-test`")
    return os.environ[variable]


@pytest.fixture(scope="session")
def distribution():
    """Return the image with broker and exporter."""
    return image("DISTRIBUTION_IMAGE")


@pytest.fixture(scope="session")
def standalone():
    """Return the image with the exporter alone."""
    return image("STANDALONE_IMAGE")


@pytest.fixture(scope="session")
def camunda():
    """Return the broker's image, unmodified."""
    return image("CAMUNDA_IMAGE")


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
def configured(backend):
    """Return the one setting that it takes."""
    return {"APP_INTEGRATIONS_URL": backend.url}


@pytest.fixture
def start(distribution, configured):
    """Return what starts a broker with the exporter in it; `async with` ends it."""

    @asynccontextmanager
    async def started(*, image=distribution, environment=None, **options):
        variables = configured | (environment or {})
        with Broker(image, environment=variables, **options) as broker:
            await broker.ready()
            yield broker

    return started
