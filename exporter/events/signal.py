"""Signals."""

from exporter.events.event_type import Brackets, EventType, Kind
from exporter.events.fields import INTENT, TENANT_ID, TYPE, identifier, text

SIGNAL = EventType(
    "signal",
    "SIGNAL",
    "A signal for whoever waits for it, without its variables. Every partition of a "
    "cluster tells of it, with the same `id`.",
    fields=(
        identifier("The signal's key."),
        INTENT,
        TYPE,
        text("signalName", "Its name."),
        TENANT_ID,
    ),
    kinds=(Kind("broadcasted", "BROADCASTED", "It was sent to everybody."),),
    brackets=Brackets("signal names", "signalName"),
    element="",
    in_brief=False,
)
