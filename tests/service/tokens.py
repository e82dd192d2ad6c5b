"""A token endpoint for tests, which numbers its tokens."""

import json
from urllib.parse import parse_qsl

from devkit.backend import Answer, Stub

PATH = "/oauth/token"


class TokenStub(Stub):
    """Gives token-1, token-2, ... to the client that knows the secret."""

    def __init__(self):
        super().__init__(self._give)
        self.url += PATH
        self.status = 200
        self.fields = {"expires_in": 3600}
        """The other fields of each answer."""
        self.headers = {"Content-Type": "text/plain"}
        self.secret = "hunter2"
        self.basic = False
        """Whether id and secret must be in a header."""
        self.gate = None
        """An event that answers wait for."""

    @property
    def forms(self):
        """The forms of all requests, oldest first."""
        return [dict(parse_qsl(each.body.decode())) for each in self.requests]

    @property
    def settings(self):
        """The settings of a client that may have tokens."""
        return {
            "oauth_authorization_server_url": self.url,
            "oauth_client_id": "exporter",
            "oauth_client_secret": "hunter2",
        }

    async def _give(self, _):
        number, form = len(self.requests), self.forms[-1]
        if self.gate:
            await self.gate.wait()
        if self.basic and "Authorization" not in self.requests[-1].headers:
            return Answer(400, body=b'{"error":"invalid_client"}')
        right = self.basic or form.get("client_secret", self.secret) == self.secret
        status = self.status if right else 401
        token = {"access_token": f"token-{number}"} if status == 200 else {}
        return Answer(status, self.headers, json.dumps(token | self.fields).encode())
