"""
The settings of credentials and transport, declared as `exporter.settings` says.

What is wrong between them is found here, too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from exporter import declaration
from exporter.declaration import PREFIX, MistakeError, Readable, setting
from exporter.texts import headers_of


@dataclass(frozen=True, kw_only=True)
class TransportSettings(Readable):
    """How we are known to the backend, and how it is reached."""

    headers: str = setting(
        "",
        declaration.HEADERS,
        "More headers for every request to the backend, hidden like a credential.",
        secret=True,
    )
    organization_id: str = setting(
        "",
        declaration.ORGANIZATION,
        "Sent as `X-Org-Id`; Camunda's own platform sets it. The text `null` counts as "
        "not set.",
        variable="CAMUNDA_CLOUD_ORGANIZATION_ID",
    )
    signing_secrets: str = setting(
        "",
        declaration.KEYS,
        "Every request is signed with each of these, as in Standard Webhooks.",
        secret=True,
    )


def conflicts(values: Mapping[str, Any]) -> Iterator[MistakeError]:
    """Yield what is wrong between settings that are right by themselves."""
    yield from _two_of_a_header(values)


def _two_of_a_header(values: Mapping[str, Any]) -> Iterator[MistakeError]:
    names = [name.lower() for name in headers_of(values.get("headers", ""))]
    header = values.get("api_key_header", "")
    if values.get("api_key") and header.lower() in names:
        yield MistakeError(
            f"{PREFIX}HEADERS",
            f"names {header}, which carries {PREFIX}API_KEY",
            "without it",
        )
