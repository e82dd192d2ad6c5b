"""A real broker for the whole run, and an exporter and a backend for each test."""

import asyncio

import pytest

from exporter.demo.backend import Backend
from exporter.demo.engine import Engine
from exporter.demo.ports import LOOPBACK, free_port
from exporter.demo.service import Service
from exporter.distribution.broker_environment import broker_environment
from tests.integration.office import Office
from tests.integration.recorder import Recorder


@pytest.fixture(scope="session")
def new_broker():
    """Return what makes a broker: its data in one place, its records to another."""
    pytest.skip("no engine: the broker that ran here is not fetched any more")


@pytest.fixture(scope="session")
def ingest_port():
    """Return the port where the broker finds the exporter of every test."""
    return free_port()


@pytest.fixture(scope="session")
def recorder(broker_and_recorder):
    """Return what the same broker's other Elasticsearch exporter sent."""
    return broker_and_recorder[1]


@pytest.fixture(scope="session")
def broker_and_recorder(new_broker, ingest_port, tmp_path_factory):
    """Start a broker with two exporters: ours, and one that records."""
    with Recorder() as recorder:
        broker = new_broker(
            tmp_path_factory.mktemp("broker"),
            f"http://{LOOPBACK}:{ingest_port}",
            **broker_environment("8.6.0", recorder.url, exporter_id="RECORDER"),
        )
        asyncio.run(broker.start())
        yield broker, recorder
        asyncio.run(broker.stop())


@pytest.fixture
def broker(broker_and_recorder):
    """Return a running broker; a test may restart it."""
    return broker_and_recorder[0]


@pytest.fixture
async def backend():
    """Accept every event."""
    async with Backend() as backend:
        yield backend


@pytest.fixture
async def service(tmp_path, backend, ingest_port):
    """Run the exporter, its spool empty at first; it must end well."""
    service = Service(tmp_path, backend.url, ingest_port=ingest_port)
    await service.start()
    yield service
    assert await service.stop() == 0


@pytest.fixture
async def engine(broker):
    """Open the REST API of the broker."""
    async with Engine(broker.rest_url) as engine:
        yield engine


@pytest.fixture
async def office(engine, backend, service):  # noqa: ARG001 -- it must run
    """Return everything together: broker, exporter and backend."""
    return Office(engine, backend)


@pytest.fixture
async def workers(office):
    """Let people complete whatever the backend is told of."""
    async with office.at_work():
        yield
