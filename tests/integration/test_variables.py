"""Each version of the broker accepts the variables from the entrypoint."""

from devkit.arguments import version_of
from exporter.broker.environment import broker_environment
from exporter.broker.takeover import OFFICIAL
from tests.conftest import eventually
from tests.integration.brokers import START_SECONDS
from tests.integration.engine import CREATED, LIFE, PATIENCE

ID = "APPINTEXPORTER"
OURS = ("APP_INTEGRATIONS_", "LD_LIBRARY_PATH", "_PYI_")


async def test_accepted(start, each_version):
    """The broker starts, exports, and has no setting of the exporter."""
    async with start(version=each_version) as engine:
        async with engine.at_work():
            instances = await engine.tasks(3)
            await engine.all_arrived(instances, LIFE)
        exporters = await engine.broker.exporters()
        variables = engine.broker.variables()

    assert exporters == {"appintspool": "ENABLED", "recorder": "ENABLED"}
    assert [name for name in variables if name.startswith(OURS)] == []


async def test_physical_tenants(start, version):
    """Every physical tenant in the variables exports to us, and so does `default`."""
    red = {"CAMUNDA_PHYSICALTENANTS_RED_DATA_EXPORTERSASSIGNED": ""}
    async with start(environment=red) as engine:
        await engine.all_arrived(await engine.tasks(1), CREATED)
        listed = await engine.broker.manage("exporters")

    found = {(each.get("physicalTenant"), each["exporterId"]) for each in listed}
    if version_of(version) < (8, 10):
        assert found == {(None, "appintspool"), (None, "recorder")}
    else:
        ours = {(tenant, "appintspool") for tenant in ("default", "red")}
        assert found == ours | {("default", "recorder")}


async def test_unknown_argument(place, each_version, log):
    """An unknown argument stops only a broker of 8.10 from starting."""
    known = broker_environment(each_version, log.url, exporter_id="RECORDER")
    name = next(each for each in known if each.endswith("_ARGS_URL"))
    variables = known | {name.replace("_URL", "_NOSUCHARGUMENT"): "1"}
    async with place.broker(variables, version=each_version, exporter=False) as broker:
        broker.spawn()
        if each_version.startswith("8.10."):
            ended = lambda: broker.status is not None  # noqa: E731
            assert await eventually(ended, within=START_SECONDS)
        else:
            await broker.takes_commands()


async def test_takeover(place, start, version, backend, log):
    """With the official exporter's variables, ours continues at its position."""
    data = place.new_data()
    # The broker keeps an id and a position of the official exporter.
    official = broker_environment(version, log.url, exporter_id=ID)
    async with start(exporter=False, environment=official, data=data) as engine:
        for instance in await engine.tasks(3):
            await eventually(lambda i=instance: log.of(i, "CREATED"), within=PATIENCE)
        await engine.broker.snapshot()
        await engine.broker.stop()
    prefix = f"ZEEBE_BROKER_EXPORTERS_{ID}"
    as_it_was = {
        "APP_INTEGRATIONS_URL": "",
        f"{prefix}_CLASSNAME": OFFICIAL,
        f"{prefix}_ARGS_URL": backend.url,
        f"{prefix}_ARGS_APIKEY": "secret",
        f"{prefix}_ARGS_MAXRETRIES": "2",
    }
    async with start(environment=as_it_was, data=data) as engine:
        async with engine.at_work():
            instances = await engine.tasks(3)
            await engine.all_arrived(instances, LIFE)
        exporters = await engine.broker.exporters()
        variables = engine.broker.variables()
        text = engine.broker.text

    assert {each.instance for each in backend.arrivals} == set(instances)
    assert exporters == {ID.lower(): "ENABLED", "recorder": "ENABLED"}
    assert backend.requests[-1].headers["X-API-KEY"] == "secret"
    assert OFFICIAL not in variables.values()
    assert "MAXRETRIES" in text
