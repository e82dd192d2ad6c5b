"""A token endpoint for tests: it numbers its tokens, and answers as it is told."""

import json
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from pytest_httpserver import HTTPServer
from werkzeug import Response

PATH = "/oauth/token"


@dataclass
class TokenStub:
    """Gives token-1, token-2, ...; `answer` changes what it says."""

    server: HTTPServer
    status: int = 200
    answer: dict = field(default_factory=lambda: {"expires_in": 3600})
    headers: dict = field(default_factory=dict)
    forms: list = field(default_factory=list)
    secret: str = "hunter2"
    """The client's; whoever has another gets 401."""
    before: object = None
    """Called before each answer."""

    def __post_init__(self):
        """Begin to serve."""
        self.url = self.server.url_for(PATH)
        served = self.server.expect_request(PATH, method="POST")
        served.respond_with_handler(self._respond)

    @property
    def settings(self):
        """The settings of a client that may have tokens."""
        return {
            "oauth_authorization_server_url": self.url,
            "oauth_client_id": "exporter",
            "oauth_client_secret": "hunter2",
        }

    def _respond(self, request):
        self.forms.append(dict(parse_qsl(request.get_data(as_text=True))))
        number = len(self.forms)
        if self.before:
            self.before()
        known = self.forms[-1]["client_secret"] == self.secret
        status = self.status if known else 401
        body = {"access_token": f"token-{number}"} if status == 200 else {}
        said = json.dumps(body | self.answer)
        return Response(said, status, self.headers, content_type="text/plain")
