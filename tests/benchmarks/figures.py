"""What a part of the benchmarks found, and whether it is good enough."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number, and what it has to be if that was agreed."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def target(self) -> str:
        """What the value has to be, for people."""
        if self.at_most is not None:
            return f"<= {shown(self.at_most)}"
        return "" if self.at_least is None else f">= {shown(self.at_least)}"

    @property
    def verdict(self) -> str:
        """`met` or `missed`; nothing when there is no target."""
        if self.at_most is not None:
            return "met" if self.value <= self.at_most else "missed"
        if self.at_least is not None:
            return "met" if self.value >= self.at_least else "missed"
        return ""

    @classmethod
    def of(cls, found: dict[str, Any]) -> Self:
        """Return the figure that `as_dict` made *found* of."""
        return cls(**{name: found[name] for name in cls.__slots__})

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON says of it."""
        return asdict(self) | {"verdict": self.verdict}


def shown(value: float) -> str:
    """Return *value* with three digits, or all of those before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that *percent* of *values* don't exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
