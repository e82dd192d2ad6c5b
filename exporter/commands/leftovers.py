"""Whether a broker keeps its log for an exporter that is gone, or sends it nothing."""

from collections.abc import Collection

from exporter.broker.actuator import USUAL, ActuatorError, SilentError, open_actuator
from exporter.broker.changing import named
from exporter.broker.takeover import exporter_id
from exporter.commands.findings import Finding, Level, ok, problem, warning
from exporter.config.declaration import PREFIX

LOOK_SECONDS = 2.0
"""A broker on this machine needs a few milliseconds."""


async def leftover(broker: str | None, *, configured: bool) -> Finding | None:
    """
    Return what the actuator of *broker* tells about us, who are *configured* or not.

    Without *broker* there may be one at the usual place, or elsewhere, or none: silence
    means nothing, and an answer that isn't an actuator's is a warning.
    """
    url, name = broker or USUAL, exporter_id()
    try:
        async with open_actuator(url, seconds=LOOK_SECONDS) as actuator:
            listed = await actuator.exporters()
    except ActuatorError as error:
        if not broker and isinstance(error, SilentError):
            return None
        return (problem if broker else warning)(error.problem, error.remedy)
    where = f" --broker {broker}" if broker else ""
    tenants = listed.get(name, {"": set()})
    findings = [
        judge(
            named(name, tenant),
            statuses,
            configured=configured,
            where=f"{where} --physical-tenant {tenant}" if tenant else where,
        )
        for tenant, statuses in sorted(tenants.items())
    ]
    wrong = (each for each in findings if each.level is not Level.OK)
    if found := next(wrong, None):
        return found
    statuses = set().union(*tenants.values())
    return judge(name, statuses, configured=configured, where=where)


def judge(
    name: str, statuses: Collection[str], *, configured: bool, where: str
) -> Finding:
    """Return what *statuses* of *name* mean for someone who is *configured* or not."""
    command = f"app-integrations-exporter uninstall{where}"
    remedy = f"If the exporter is gone for good, run `{command}`"
    if "CONFIG_NOT_FOUND" in statuses:
        return problem(
            f"The broker keeps its log for the exporter {name}, which is gone from its "
            "configuration: its disk fills",
            f"{remedy}; else give the broker the exporter's variables back",
        )
    if "ENABLED" in statuses and not configured:
        return problem(
            f"The broker exports to {name}, and nothing is configured here to take it: "
            "it keeps its log, and its disk fills",
            f"{remedy}; else set {PREFIX}URL, as it is for the service",
        )
    if "DISABLED" in statuses and configured:
        return problem(
            f"The broker has {name} disabled: it sends nothing",
            f"Enable it: app-integrations-exporter enable{where}",
        )
    if configured and statuses:
        return ok(f"The broker exports to {name}")
    if configured:
        return warning(
            f"The broker has no exporter {name}: it sends nothing",
            "Give it the variables that `app-integrations-exporter broker-environment` "
            "prints, and restart it, unless its exporter has another id",
        )
    return ok(f"The broker keeps nothing for {name}")
