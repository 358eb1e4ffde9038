"""A simulated portal: it signs users in for its federated sites, exchanges tokens, and lists the sites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleet.simulator.ledger import Ledger
from fleet.simulator.tokens import TokenBook
from fleet.simulator.wire import REST_TYPE, Failure, Reply, html_page, rest_failure

if TYPE_CHECKING:
    from fleet.simulator.call import Call
    from fleet.simulator.site import SimulatedSite

__all__ = ["SimulatedPortal"]


class SimulatedPortal:
    """A portal at `url`, with accounts and tokens of its own."""

    name = "portal"

    def __init__(self, *, url: str, context: str, tokens: TokenBook, ledger: Ledger) -> None:
        self.url = url
        self.context = context
        self.tokens = tokens
        self.sites: list[SimulatedSite] = []
        self.faults: set[str] = set()
        self._ledger = ledger

    def count(self, operation: str | None = None) -> int:
        """How many requests the portal saw."""
        return len(self._ledger.of("portal", operation))

    async def answer(self, call: Call, token: str | None) -> tuple[Reply, str]:
        """The reply to *call*, and the name of the operation for the ledger."""
        path = call.path.strip("/")
        operation = path.rsplit("/", 1)[-1] or "portal"
        try:
            return self._answer(call, path.lower(), token), operation
        except Failure as failure:
            return failure.reply, operation

    def _answer(self, call: Call, path: str, token: str | None) -> Reply:
        if path == "sharing/rest/info":
            return Reply(
                {
                    "owningSystemUrl": self.url,
                    "authInfo": {
                        "tokenServicesUrl": f"{self.url}/sharing/rest/generateToken",
                        "isTokenBasedSecurity": True,
                    },
                },
                content_type=REST_TYPE,
            )
        if path == "sharing/rest":
            return Reply({"currentVersion": "2024.1"}, content_type=REST_TYPE)
        if path in ("sharing/rest/generatetoken", "sharing/generatetoken"):
            return self._generate_token(call, token)
        if path == "sharing/rest/oauth2/token":
            return self._application_token(call)
        if path == "portaladmin/healthcheck":
            if "unhealthy" in self.faults:
                return html_page("Service Unavailable", "The portal is not healthy.", status=503)
            return Reply({"status": "success"})
        self._admit(call, token)
        if path == "sharing/rest/portals/self":
            return Reply(
                {
                    "id": "0123456789ABCDEF",
                    "name": "Simulated Portal",
                    "isPortal": True,
                    "user": {"username": call.user},
                }
            )
        if path == "sharing/rest/community/self":
            return Reply({"username": call.user, "role": "org_admin", "privileges": []})
        if path == "sharing/rest/portals/self/servers":
            return Reply({"servers": [self._server(site, trust=False) for site in self.sites]})
        if path == "portaladmin/federation/servers":
            return Reply({"servers": [self._server(site, trust=True) for site in self.sites]})
        if path == "portaladmin/federation/servers/validate":
            return self._validate()
        if path in ("portaladmin", ""):
            return Reply({"resources": ["machines", "security", "system", "federation", "logs"], "isUpgrade": False})
        raise rest_failure(404, f"Could not find resource or operation '{path.rsplit('/', 1)[-1]}' on the system.")

    def _admit(self, call: Call, token: str | None) -> None:
        if token is None:
            raise rest_failure(499, "Token Required.")
        told = self.tokens.judge(token, call.headers.get("Referer"), call.address)
        if told is not None:
            raise rest_failure(498, "Invalid token.")
        call.user = self.tokens.user_of(token)

    def _generate_token(self, call: Call, token: str | None) -> Reply:
        if call.method == "GET":
            raise rest_failure(405, "HTTP GET is not supported.")
        server = call.get("serverURL")
        password = call.get("password")
        if password is None and token is not None and server is not None:
            return self._exchanged(call, token, server)
        user = call.get("username")
        refusal = "" if user is None or password is None else self.tokens.check_password(user, password)
        if refusal is not None or "wrong-password" in self.faults or user is None:
            raise rest_failure(400, "Unable to generate token.", ("Invalid username or password.",))
        client = (call.get("client") or "referer").lower()
        referer = call.get("referer")
        if client == "referer" and not referer:
            raise rest_failure(400, "Unable to generate token.", ("'referer' must be specified.",))
        address = call.get("ip") if client == "ip" else call.address if client == "requestip" else None
        minutes = float(call.get("expiration") or 60)
        issued, expires = self.tokens.issue(
            user, minutes, referer=referer if client == "referer" else None, address=address
        )
        return Reply({"token": issued, "expires": round(expires * 1000), "ssl": True}, content_type=REST_TYPE)

    def _exchanged(self, call: Call, token: str, server: str) -> Reply:
        """A token of one site for a portal token; the site is found without regard to case."""
        if self.tokens.judge(token, call.headers.get("Referer"), call.address) is not None:
            raise rest_failure(498, "Invalid token.")
        site = next((site for site in self.sites if server.lower().startswith(site.url.lower())), None)
        if site is None:
            raise rest_failure(400, "Unable to generate token.", ("The server is not federated with this portal.",))
        issued, expires = site.tokens.issue(
            self.tokens.user_of(token) or "", 1440, referer=call.get("referer") or call.headers.get("Referer")
        )
        return Reply({"token": issued, "expires": round(expires * 1000), "ssl": True}, content_type=REST_TYPE)

    def _application_token(self, call: Call) -> Reply:
        identity, secret = call.get("client_id") or "", call.get("client_secret") or ""
        if call.get("grant_type") != "client_credentials" or self.tokens.check_password(identity, secret) is not None:
            raise rest_failure(400, "Invalid client_id")
        issued, _ = self.tokens.issue(identity, 120)
        return Reply({"access_token": issued, "expires_in": 7200}, content_type=REST_TYPE)

    def _server(self, site: SimulatedSite, *, trust: bool) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "id": f"id-{site.name}",
            "name": site.url.partition("://")[2],
            "adminUrl": site.url,
            "url": site.url,
            "isHosted": False,
            "serverType": "ARCGIS",
            "serverRole": "FEDERATED_SERVER",
            "serverFunction": "",
        }
        if trust:
            entry["webgisServerTrustKey"] = "simulated-trust-key"
        return entry

    def _validate(self) -> Reply:
        """A server that fails its check is a normal answer: status "failure" for the whole and for it."""
        states = [
            {
                "serverId": f"id-{site.name}",
                "status": "failure" if site.faults else "success",
                "messages": ["java.net.ConnectException: Connection refused"] if site.faults else [],
            }
            for site in self.sites
        ]
        worst = "failure" if any(state["status"] == "failure" for state in states) else "success"
        return Reply({"status": worst, "serversStatus": states})
