"""
Fixtures for scenarios: a place, and an engine with the exporter and a backend in it.

Scenarios run as processes with the recorded engine, or with `--containers` from images.
CAMUNDA_IMAGE sets the broker's image; a stand-in replaces it if it can't be pulled.
"""

from collections import Counter
from contextlib import asynccontextmanager

import pytest

from devkit.client import Client
from exporter.broker.environment import broker_environment
from tests.integration.brokers import Processes
from tests.integration.engine import Engine

NEEDS = {
    "real_engine": "needs a real engine",
    "images": "needs the images (make integration-test)",
}
PLACE = pytest.StashKey()
PASSWORD = {"username": "broker", "password": "only between the two"}


def place_of(config):
    """Return the place of the scenarios; call it once options are parsed."""
    if PLACE not in config.stash:
        if config.getoption("--containers", default=False):
            from tests.integration.images import Containers  # noqa: PLC0415

            config.stash[PLACE] = Containers()
        else:
            config.stash[PLACE] = Processes()
    return config.stash[PLACE]


def pytest_addoption(parser):
    """Choose where scenarios run."""
    parser.addoption("--containers", action="store_true", help="run them in containers")


def pytest_configure(config):
    """Declare the markers for needs of a scenario."""
    for name, text in NEEDS.items():
        config.addinivalue_line("markers", f"{name}(reason): {text}")


def pytest_generate_tests(metafunc):
    """Run a scenario with `each_version` once for each version."""
    if "each_version" in metafunc.fixturenames:
        metafunc.parametrize("each_version", place_of(metafunc.config).versions)


def pytest_collection_modifyitems(config, items):
    """Skip scenarios that can't run here, with the reason."""
    place = place_of(config)
    missing = {"real_engine": not place.is_real, "images": not place.has_images}
    for item in items:
        for name, text in NEEDS.items():
            marker = item.get_closest_marker(name)
            if marker and missing[name]:
                why = f"{text}: {marker.args[0]}"
                item.add_marker(pytest.mark.skip(reason=why))


def pytest_terminal_summary(terminalreporter, config):
    """Count the scenarios that didn't run, with their reasons."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(each.longrepr[2].removeprefix("Skipped: ") for each in skipped)
    text = f"Scenarios on {place_of(config).name}: {reasons.total()} didn't run."
    terminalreporter.write_line(text, bold=True)
    for reason, count in reasons.items():
        terminalreporter.write_line(f"  {count} {reason}")


@pytest.fixture(scope="session")
def place(pytestconfig, tmp_path_factory):
    """Return the place where scenarios run."""
    with place_of(pytestconfig).opened(tmp_path_factory.mktemp("place")) as place:
        yield place


@pytest.fixture
async def backend(place):
    """Return a backend that accepts every event by default."""
    async with place.backend() as backend:
        yield backend


@pytest.fixture
async def log(place):
    """Return a recorder for another exporter of the broker."""
    async with place.recorder() as recorder:
        yield recorder


@pytest.fixture
def version(place):
    """Return the newest version of the engine."""
    return place.versions[-1]


@pytest.fixture
def start(place, backend, log, version):
    """Return a function that starts a broker with two exporters: ours and the log's."""

    @asynccontextmanager
    async def started(*, version=version, value_types=("USER_TASK",), **options):
        ours = {"APP_INTEGRATIONS_URL": backend.url}
        other = broker_environment(
            version, log.url, exporter_id="RECORDER", value_types=value_types
        )
        environment = ours | other | options.pop("environment", {})
        async with place.broker(environment, version=version, **options) as broker:
            await broker.run()
            async with Client(broker.rest_url) as client:
                yield Engine(broker, client, backend, log, version)

    return started


@pytest.fixture
async def engine(start):
    """Return a running engine with the exporter."""
    async with start() as engine:
        yield engine


@pytest.fixture
async def exporter(place, backend):
    """Run a standalone exporter, which must end with status 0."""
    password = {f"INGEST_{name.upper()}": each for name, each in PASSWORD.items()}
    async with place.exporter(backend.url, **password) as exporter:
        await exporter.run()
        yield exporter
        assert await exporter.stop() == 0
