"""Scrape the metrics of an exporter."""

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

PREFIX = "app_integrations_exporter_"
UNNAMED = ("backend", "default")
"""The label of a single backend without a name."""


def read(text: str) -> dict[str, float]:
    """Return metric values by name without our prefix, followed by label values."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = [x[1] for x in sample.labels.items() if x != UNNAMED]
            name = " ".join([sample.name.removeprefix(PREFIX), *labels])
            found[name] = sample.value
    return found


async def scrape(url: str) -> dict[str, float]:
    """Return the metrics of the admin port at *url*."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}/metrics") as answer,
    ):
        return read(await answer.text())
