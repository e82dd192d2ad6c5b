"""One configured receiver: posts bodies, and says what came back as a value."""

import asyncio
import io
from contextlib import suppress

import aiohttp
from yarl import URL

from exporter.delivery.credentials import Credentials
from exporter.delivery.outcome import Answer, Failure
from exporter.delivery.request import Request

LARGEST_ANSWER = 64 * 1024
ANSWER_SECONDS = 0.5
LONGEST_DETAIL = 300
IDLE_SECONDS = 15.0
RESOLVE_AGAIN_SECONDS = 10


def open_session(slots: int) -> aiohttp.ClientSession:
    """Return a session for *slots* requests at once; the caller closes it."""
    connector = aiohttp.TCPConnector(
        limit=slots,
        keepalive_timeout=IDLE_SECONDS,
        ttl_dns_cache=RESOLVE_AGAIN_SECONDS,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # bodies of answers aren't read
    )


class Backend:
    """Where batches are posted, and how."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        credentials: Credentials,
        *,
        timeout_seconds: float,
    ) -> None:
        """
        Send *credentials* with every request.

        One takes at most *timeout_seconds* as a whole, however silent the peer is.
        """
        self._session = session
        self._url = url
        self._credentials = credentials
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    def credentials_changed(self) -> bool:
        """Whether a credential is another one since this was last asked."""
        return self._credentials.changed()

    async def post(self, request: Request) -> Answer:
        """Return what the backend made of *request*; never raises for its mistakes."""
        try:
            async with self._session.post(
                self._url,
                data=io.BytesIO(request.body),  # bytes above 1 MiB would draw a warning
                headers=self._credentials.headers(request),
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                await self._finish(response)
                return Answer(response.status, detail=_about(response))
        except TimeoutError:
            seconds = self._timeout.total
            return Answer(None, Failure.TIMEOUT, f"no answer within {seconds:g} s")
        except aiohttp.ClientConnectorCertificateError as error:
            reason = error.certificate_error
            return Answer(None, Failure.CERTIFICATE, f"{reason}")
        except aiohttp.ClientConnectorDNSError as error:
            return Answer(None, Failure.NAME, f"{error}")
        except aiohttp.ClientResponseError as error:
            # Its text has the URL, whose query may hold a token.
            detail = _printable(f"the answer is no HTTP: {error.message}")
            return Answer(None, Failure.CONNECTION, detail)
        except (aiohttp.ClientError, OSError) as error:
            detail = f"{error}" or type(error).__name__
            return Answer(None, Failure.CONNECTION, detail)

    async def _finish(self, response: aiohttp.ClientResponse) -> None:
        """Read the rest of a short answer, so that its connection serves again."""
        size = 0
        with suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(ANSWER_SECONDS):
                while size < LARGEST_ANSWER and not response.content.at_eof():
                    size += len(await response.content.readany())


def _about(response: aiohttp.ClientResponse) -> str:
    """Return status and reason, and where a redirect would lead."""
    about = f"{response.status} {response.reason or ''}".strip()
    if location := response.headers.get("Location"):
        about += f", to {_public(location)}"
    return _printable(about)


def _public(location: str) -> str:
    """Return *location* without what may be a secret: user, password and query."""
    try:
        url = URL(location).with_query(None).with_fragment(None)
        return str(url.with_user(None) if url.absolute else url)
    except ValueError:
        return "a location that is no URL"


def _printable(text: str) -> str:
    """Return *text* fit for a log and a terminal: short, and without controls."""
    shown = "".join(each if each.isprintable() else "?" for each in text)
    return shown[:LONGEST_DETAIL]
