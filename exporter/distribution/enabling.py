"""
Have a broker export again to an exporter that it was told to disable.

A broker that isn't told so leaves an exporter disabled, also when its variables are
back. It then exports what happens from that moment on.
"""

from collections.abc import Callable

from exporter.distribution.actuator import Actuator, Statuses, named
from exporter.distribution.changing import ActuatorError, insist, once

ENABLED = {"ENABLED"}


async def enable(
    actuator: Actuator, wanted: str, seconds: float, say: Callable[[str], None]
) -> str:
    """Return the id of *wanted* when it is enabled; *say* what is done until then."""
    return await insist(_Enabling(actuator, wanted, say), seconds)


class _Enabling:
    """Whether it was asked for, and what the exporter is."""

    def __init__(
        self, actuator: Actuator, wanted: str, say: Callable[[str], None]
    ) -> None:
        self._actuator = actuator
        self.exporter = wanted
        self.statuses: set[str] = set()
        self.tell = once(say)
        self._asked: set[str] = set()

    async def go_on(self) -> str | None:
        """Look, and ask for it once; return the id when it is done."""
        by_tenant = await self._look()
        self.statuses = set().union(*by_tenant.values())
        if self.statuses == ENABLED:
            return self.exporter
        for tenant, statuses in sorted(by_tenant.items()):
            if "DISABLED" in statuses and tenant not in self._asked:
                await self._ask(tenant)
                break
        return None

    async def _look(self) -> Statuses:
        """Return the statuses in the tenants that have variables for it."""
        listed = await self._actuator.exporters()
        for name, by_tenant in listed.items():
            known = {x: y for x, y in by_tenant.items() if "CONFIG_NOT_FOUND" not in y}
            if name.lower() == self.exporter.lower() and known:
                self.exporter = name
                return known
        others = ", ".join(sorted(listed)) or "none at all"
        raise ActuatorError(
            f"The broker has no variables for an exporter {self.exporter}; it lists "
            f"{others}",
            remedy="Give every broker its variables, and restart them: docs/broker.md",
        )

    async def _ask(self, tenant: str) -> None:
        reply = await self._actuator.post(self.exporter, "enable", tenant)
        name = named(self.exporter, tenant)
        if reply.status != 202:
            raise ActuatorError(
                f"The broker doesn't enable {name}: {reply}",
                remedy="Its log says more; mend that, and run this again",
            )
        self._asked.add(tenant)
        self.tell(f"The broker takes the request to enable {name}")
