"""
Let a real engine live a little, and see that each of its events arrives.

People review requests: an instance per request, and in each of them one user task that
is created, assigned and completed. The walk-through learns of the tasks the way a real
backend does, by their events: a lost one would stop its request for good, and show.
"""

import asyncio
from contextlib import AsyncExitStack, suppress
from importlib import resources
from itertools import cycle
from pathlib import Path

from exporter.demo.audience import Audience
from exporter.demo.backend import Arrival, Backend
from exporter.demo.broker import Broker, BrokerPorts
from exporter.demo.download import BROKER
from exporter.demo.engine import Engine, Key
from exporter.demo.ports import usual_port
from exporter.demo.report import Summary, summarize
from exporter.demo.screen import HOW_TO_READ, HOW_TO_TRY, Screen
from exporter.demo.service import Service
from exporter.distribution.broker_environment import broker_environment

PEOPLE = ("ann", "ben", "cleo", "dana")
LIFE = ("CREATED", "ASSIGNED", "COMPLETED")

# Slow enough to watch; but however many they are, all requests are made in six seconds.
PAUSE_SECONDS = 0.2
STARTING_SECONDS = 6.0


async def live(  # noqa: PLR0913 -- what was found here and what the user asked for
    java: Path, home: Path, work: Path, screen: Screen, *, instances: int, keep: bool
) -> Summary:
    """Walk through *instances* lives of a task; with *keep*, stay until cancelled."""
    async with AsyncExitStack() as running:
        backend = Backend(port=usual_port(9290, "the stub backend", screen.say))
        await running.enter_async_context(backend)
        service = usual_service(work, backend.url, screen)
        running.push_async_callback(service.stop)
        broker = Broker(
            java,
            home,
            work / "broker",
            environment=broker_environment(BROKER.version, service.ingest_url),
            ports=BrokerPorts.usual(screen.say),
        )
        running.push_async_callback(broker.stop)
        with screen.waiting("Starting the exporter"):
            await service.start()
        with screen.waiting(f"Starting a real Camunda {BROKER.version} broker"):
            await broker.start()
        screen.explain("What you see", _flow(broker, service, backend))

        engine = await running.enter_async_context(Engine(broker.rest_url))
        audience = Audience(backend, screen, since_written)
        expected = await _walk(engine, audience, instances)

        if not keep:
            with screen.waiting("Stopping broker and exporter"):
                await broker.stop()
                # It delivers what it holds, so nothing can come after it has ended.
                await service.stop()
        summary = summarize("live", expected, backend.arrivals, since_written)
        screen.summary(summary)
        if keep:
            screen.explain("Your turn", HOW_TO_TRY.format(url=broker.rest_url))
            with suppress(asyncio.CancelledError):  # that's how it's meant to end
                await audience.stay()
    return summary


def usual_service(work: Path, backend_url: str, screen: Screen) -> Service:
    """Return an exporter on the ports that its users know."""
    return Service(
        work,
        backend_url,
        ingest_port=usual_port(9280, "the exporter's ingest", screen.say),
        admin_port=usual_port(9281, "the exporter's metrics and health", screen.say),
        LOG_FORMAT="text",
    )


def since_written(arrival: Arrival) -> float:
    """Return the seconds from the engine's log to the backend."""
    return arrival.at - arrival.written


async def _walk(
    engine: Engine, audience: Audience, instances: int
) -> dict[str, tuple[str, ...]]:
    """Return which instances were started, each with what must happen in it."""
    model = resources.files("exporter.demo") / "data" / "review.bpmn"
    deployed = await engine.deploy({"review.bpmn": model.read_bytes()})
    definition = deployed["deployments"][0]["processDefinition"]["processDefinitionKey"]
    expected: dict[str, tuple[str, ...]] = {}

    people = cycle(PEOPLE)

    async def react(arrival: Arrival) -> None:
        if arrival.intent == "CREATED":
            await engine.assign(arrival.task, next(people))
        elif arrival.intent == "ASSIGNED":
            await engine.complete(arrival.task, {"approved": True})

    await asyncio.gather(
        _request(engine, definition, instances, expected),
        audience.watch(instances * len(LIFE), react),
    )
    return expected


async def _request(
    engine: Engine,
    definition: Key,
    instances: int,
    expected: dict[str, tuple[str, ...]],
) -> None:
    """Start the instances, evenly, and write down what must happen in each."""
    for number in range(1, instances + 1):
        started = await engine.create_instance(definition, {"request": number})
        expected[str(started["processInstanceKey"])] = LIFE
        await asyncio.sleep(min(PAUSE_SECONDS, STARTING_SECONDS / instances))


def _flow(broker: Broker, service: Service, backend: Backend) -> str:
    return f"""\
broker    a real engine, unmodified; its REST API: {broker.rest_url}/v2
  |       its Elasticsearch exporter pushes what happens, at once, to
exporter  {service.ingest_url}, which keeps events on disk, then posts to
  |
backend   {backend.url}, a stub that shows what it gets

{HOW_TO_READ}"""
