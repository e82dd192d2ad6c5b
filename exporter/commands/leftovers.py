"""A step of `check`: whether the broker exports to us, or keeps its log for nobody."""

from collections.abc import Collection

from exporter.broker.actuator import (
    DEFAULT_URL,
    Actuator,
    ActuatorError,
    SilentError,
    named,
)
from exporter.broker.takeover import exporter_id
from exporter.commands.findings import Finding, Level, ok, problem, warning
from exporter.config.declaration import PREFIX

LOOK_SECONDS = 2.0
"""A broker on this machine needs a few milliseconds."""


async def leftover(broker: str | None, *, configured: bool) -> Finding | None:
    """
    Return a finding about our exporter in *broker*; *configured* is our own side.

    Without *broker* there may be a broker at the default URL or not, so no answer means
    nothing, and an answer that isn't an actuator's is only a warning.
    """
    url, name = broker or DEFAULT_URL, exporter_id()
    try:
        listed = await Actuator(url, seconds=LOOK_SECONDS).exporters()
    except ActuatorError as error:
        if not broker and isinstance(error, SilentError):
            return None
        return (problem if broker else warning)(error.problem, error.remedy)
    where, tenants = f" --broker {broker}" if broker else "", listed.get(name, {})
    found = []
    for tenant, statuses in sorted(tenants.items()) or [("", set[str]())]:
        option = f" --physical-tenant {tenant}" if tenant else ""
        exporter, options = named(name, tenant), where + option
        found.append(_finding_of(exporter, statuses, options, configured=configured))
    return next((each for each in found if each.level is not Level.OK), found[0])


def _finding_of(
    name: str, statuses: Collection[str], where: str, *, configured: bool
) -> Finding:
    command = f"app-integrations-exporter uninstall{where}"
    remedy = f"If you have removed the exporter for good, run `{command}`"
    if "CONFIG_NOT_FOUND" in statuses:
        return problem(
            f"The broker keeps its log for the exporter {name}, although its variables "
            "are gone: its disk fills",
            f"{remedy}; otherwise give the broker the variables again",
        )
    if "ENABLED" in statuses and not configured:
        return problem(
            f"The broker exports to {name}, but no backend is configured here: it "
            "keeps its log, and its disk fills",
            f"{remedy}; otherwise set {PREFIX}URL as for the service",
        )
    if not configured:
        return ok(f"The broker keeps nothing for {name}")
    if "DISABLED" in statuses:
        return problem(
            f"The broker has {name} disabled: it sends nothing",
            f"Enable it: app-integrations-exporter enable{where}",
        )
    if statuses:
        return ok(f"The broker exports to {name}")
    return warning(
        f"The broker has no exporter {name}: it sends nothing",
        "Give it the variables that `app-integrations-exporter broker-environment` "
        "prints, and restart it, unless its exporter has another id",
    )
