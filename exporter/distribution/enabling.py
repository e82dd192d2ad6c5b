"""
Have a broker export again to an exporter that it was told to disable.

A broker that isn't told so leaves an exporter disabled, also when its variables are
back. It then exports what happens from that moment on.
"""

import asyncio
import time
from collections.abc import Callable

from exporter.distribution.actuator import (
    POLL_SECONDS,
    Actuator,
    ActuatorError,
    BusyError,
)

ENABLED = {"ENABLED"}


async def enable(
    actuator: Actuator, wanted: str, seconds: float, say: Callable[[str], None]
) -> str:
    """Return the id of *wanted* when it is enabled; *say* what is done until then."""
    deadline = time.monotonic() + seconds
    asked = False
    while True:
        try:
            name, statuses = await _found(actuator, wanted)
            if statuses == ENABLED:
                return name
            if "DISABLED" in statuses and not asked:
                await _ask(actuator, name)
                asked = True
                say(f"The broker takes the request to enable {name}")
            late = ActuatorError(
                f"{name} still is {', '.join(sorted(statuses))} after {seconds:g} s",
                remedy="The change needs every broker of the cluster: get all of them "
                "going, and run this again",
            )
        except BusyError as error:
            say(f"{error.problem}: trying again")
            late = error
        if time.monotonic() >= deadline:
            raise late
        await asyncio.sleep(POLL_SECONDS)


async def _found(actuator: Actuator, wanted: str) -> tuple[str, set[str]]:
    """Return the exporter as the broker lists it, and its statuses."""
    listed = await actuator.exporters()
    for name, statuses in listed.items():
        if name.lower() == wanted.lower() and "CONFIG_NOT_FOUND" not in statuses:
            return name, statuses
    others = ", ".join(sorted(listed)) or "none at all"
    raise ActuatorError(
        f"The broker has no variables for an exporter {wanted}; it lists {others}",
        remedy="Give every broker its variables, and restart them: docs/broker.md",
    )


async def _ask(actuator: Actuator, name: str) -> None:
    reply = await actuator.post(name, "enable")
    if reply.status != 202:
        raise ActuatorError(
            f"The broker doesn't enable {name}: {reply}",
            remedy="Its log says more; mend that, and run this again",
        )
