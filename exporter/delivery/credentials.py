"""What a request says about who sends it: the headers, as they are at that moment."""

from collections.abc import Mapping

from multidict import CIMultiDict

from exporter import __version__
from exporter.delivery.request import Request
from exporter.reread import Reread
from exporter.texts import headers_of

JSON = "application/json"
USER_AGENT = f"app-integrations-exporter/{__version__}"


class Credentials:
    """All that the requests to one backend carry beside their batch."""

    def __init__(
        self,
        about: Mapping[str, str],
        more: Reread[str],
        api_key: Reread[str],
        api_key_header: str,
    ) -> None:
        """
        Send *about* (where a value is set), and *api_key* in *api_key_header*.

        *more* is the text of other headers.
        """
        self._about = {name: value for name, value in about.items() if value}
        self._more = more
        self._api_key = api_key
        self._api_key_header = api_key_header
        self._known = self._changes()

    def headers(self, request: Request) -> CIMultiDict[str]:
        """Return all headers of *request*."""
        headers = CIMultiDict(headers_of(self._more.current()))
        if api_key := self._api_key.current():
            headers[self._api_key_header] = api_key
        headers.update({"Content-Type": JSON, "User-Agent": USER_AGENT} | self._about)
        headers.update(request.headers)
        return headers

    def changed(self) -> bool:
        """Whether something is another one since this was last asked."""
        known, self._known = self._known, self._changes()
        return self._known != known

    def _changes(self) -> int:
        return self._more.changes + self._api_key.changes
