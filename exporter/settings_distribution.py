"""
The settings of broker and exporter side by side, declared as `exporter.settings` says.

Whoever starts the exporter by itself needs none of them.
"""

from dataclasses import dataclass

from exporter.declaration import Readable, setting
from exporter.musts import one_of, whole


@dataclass(frozen=True, kw_only=True)
class DistributionSettings(Readable):
    """What the entrypoint of the distribution image asks for."""

    enabled: str = setting(
        "auto",
        one_of("auto", "true", "false"),
        "Whether the distribution image starts the exporter beside the broker: `auto` "
        "does when a backend is configured, `false` leaves the image as its base is. "
        "`run --standby` asks, too.",
    )
    required: str = setting(
        "false",
        one_of("true", "false"),
        "`true` keeps the distribution image from starting a broker when the exporter "
        "can't be configured; else the broker starts without it, after an error.",
    )
    broker_bulk_size: int = setting(
        1,
        whole(1),
        "How many records the broker sends at once, where the same environment starts "
        "both (else docs/broker.md says how to tell it): 1 is real time, 50 to 100 is "
        "three times the rate and up to a second later.",
    )
