"""What a request says about who sends it: the headers, as they are at that moment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from multidict import CIMultiDict

from exporter import __version__
from exporter.base.reread import Reread
from exporter.base.texts import KEY, headers_of, keys_of
from exporter.delivery.auth.signing import signed
from exporter.delivery.request import IDENTITIES_HEADER, Request, name_of

USER_AGENT = f"app-integrations-exporter/{__version__}"


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """All that the requests to one backend carry beside their batch."""

    about: Mapping[str, str]
    """Headers that stay; where a value is empty there is none."""
    more: Reread[str]
    """The text of other headers."""
    api_key: Reread[str]
    api_key_header: str
    keys: Reread[str]
    """The text of the keys to sign with."""
    wall_clock: Callable[[], float]

    def headers(self, request: Request) -> CIMultiDict[str]:
        """Return all headers of *request*."""
        headers = CIMultiDict(headers_of(self.more.current()))
        if api_key := self.api_key.current():
            headers[self.api_key_header] = api_key
        headers["Content-Type"] = request.content_type
        headers["User-Agent"] = USER_AGENT
        headers.update({name: value for name, value in self.about.items() if value})
        headers.update(request.headers)
        if keys := keys_of(self.keys.current()):
            name = name_of(request.headers.get(IDENTITIES_HEADER, ""))
            seconds = int(self.wall_clock())
            headers.update(signed(keys, name, seconds, request.body))
        return headers

    @property
    def secrets(self) -> dict[str, str]:
        """What is never sent, and nobody should read."""
        keys = self.keys.current()
        return {"keys": keys, "bare keys": keys.replace(KEY, "")}

    @property
    def changes(self) -> int:
        """How often one of them was another one."""
        return sum(each.changes for each in (self.more, self.api_key, self.keys))
