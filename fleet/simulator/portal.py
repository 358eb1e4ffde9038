"""A simulated portal: it signs users in for its federated sites, exchanges tokens, and lists the sites."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fleet.simulator.ledger import Ledger
from fleet.simulator.portaladmin import PortalAdministration
from fleet.simulator.signin import SignIn
from fleet.simulator.state import RELEASES
from fleet.simulator.tokens import TokenBook
from fleet.simulator.wire import REST_TYPE, Failure, Reply, html_page, rest_failure

if TYPE_CHECKING:
    from fleet.simulator.call import Call
    from fleet.simulator.site import SimulatedSite

__all__ = ["SimulatedPortal"]

ORGANIZATION = "0123456789ABCDEF"
"""Every portal of one organization has this one's identity."""

PORTAL_VERSIONS = {"10.5.1": "5.1", "10.9.1": "9.2", "11.1": "10.3", "11.3": "2024.1"}
"""Release -> `currentVersion` of the portal's own API. 8.2 (10.8.1), 8.4 (10.9) and 2024.1 (11.3) were seen."""

ADMINISTRATOR = (
    "features:user:edit",
    "portal:admin:inviteUsers",
    "portal:admin:manageLicenses",
    "portal:admin:manageRoles",
    "portal:admin:manageSecurity",
    "portal:admin:manageServers",
    "portal:admin:manageWebsite",
    "portal:admin:updateItems",
    "portal:admin:updateUsers",
    "portal:admin:viewGroups",
    "portal:admin:viewItems",
    "portal:admin:viewUsers",
    "portal:publisher:publishServerServices",
    "portal:user:createItem",
)
"""Privileges of an administrator of the organization: those that scripts look for."""


class SimulatedPortal:
    """A portal at `url`, with accounts, tokens and applications of its own.

    `applications` maps a client_id to its secret; beside them every account may sign in as one. `header_token` is
    `accepted`, or `ignored` for a portal that looks for tokens in bodies only. `roles` is what each server is for.
    """

    name = "portal"

    def __init__(
        self,
        *,
        url: str,
        context: str,
        tokens: TokenBook,
        ledger: Ledger,
        release: str = "11.3",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.url = url
        self.context = context
        self.tokens = tokens
        self.release = release
        self.sites: list[SimulatedSite] = []
        self.faults: set[str] = set()
        self.applications: dict[str, str] = {}
        self.header_token = "accepted"
        self.roles: dict[str, str] = {}
        self._ledger = ledger
        self.clock = clock
        self.began = clock()
        self.administration = PortalAdministration(self)
        self._sign_in = SignIn(
            context=context, tokens=tokens, refusal=self._refusal, applications=self.applications, clock=clock
        )

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
            return Reply(self._versions(), content_type=REST_TYPE)
        if path in ("sharing/rest/generatetoken", "sharing/generatetoken"):
            return self._generate_token(call, token)
        for root in ("sharing/rest/oauth2/", "sharing/oauth2/"):
            if path.startswith(root):
                return self._sign_in.answer(call, path.removeprefix(root))
        if path == "portaladmin/healthcheck":
            if "unhealthy" in self.faults:
                return html_page("Service Unavailable", "The portal is not healthy.", status=503)
            return Reply({"status": "success"})
        if path in ("sharing/rest/portals/self", f"sharing/rest/portals/{ORGANIZATION.lower()}") and token is None:
            # Whoever is not signed in sees the organization all the same, from outside.
            return Reply(self._organization(), content_type=REST_TYPE)
        self._admit(call, token)
        if path.startswith("sharing/rest/"):
            return self._sharing(call, path.removeprefix("sharing/rest/"))
        if path in ("portaladmin", ""):
            return Reply(self._root())
        if path.startswith("portaladmin/"):
            reply = self.administration.answer(call, path.removeprefix("portaladmin/"))
            if reply is not None:
                return reply
        raise _not_found(path)

    def _sharing(self, call: Call, path: str) -> Reply:
        """What the portal's own API says to whoever is signed in."""
        user = call.user or ""
        if path in ("portals/self", f"portals/{ORGANIZATION.lower()}"):
            return Reply({**self._organization(), "user": self._user(user)}, content_type=REST_TYPE)
        if path in ("portals/self/servers", f"portals/{ORGANIZATION.lower()}/servers"):
            return Reply(
                {"servers": [self.administration.server(site, trust=False) for site in self.sites]},
                content_type=REST_TYPE,
            )
        if path in ("portals/self/roles", f"portals/{ORGANIZATION.lower()}/roles"):
            # The roles that an organization made for itself; this one has none.
            return Reply({"total": 0, "start": 1, "num": 0, "nextStart": -1, "roles": []}, content_type=REST_TYPE)
        if path == "community/self":
            return Reply(self._user(user), content_type=REST_TYPE)
        if path.startswith("community/users/"):
            wanted = path.removeprefix("community/users/")
            known = next((name for name in self.tokens.accounts if name.lower() == wanted), None)
            if known is None:
                raise rest_failure(400, "User does not exist or is inaccessible.")
            return Reply(self._user(known), content_type=REST_TYPE)
        raise _not_found(path)

    def _versions(self) -> dict[str, Any]:
        """From 11.3 on the root also names the release of the whole product."""
        number, full, build = RELEASES[self.release]
        value: dict[str, Any] = {"currentVersion": PORTAL_VERSIONS[self.release]}
        if number >= 11.3:
            value |= {"enterpriseVersion": full, "enterpriseBuild": build}
        return value

    def _organization(self) -> dict[str, Any]:
        parts = urlsplit(self.url)
        port = parts.port or 443
        return {
            **self._versions(),
            "id": ORGANIZATION,
            "name": "Simulated Portal",
            "access": "public",
            "allSSL": parts.scheme == "https",
            "commentsEnabled": True,
            "culture": "en",
            "customBaseUrl": "portal",
            "description": None,
            "eueiEnabled": False,
            "featuredGroups": [],
            "helperServices": {},
            "httpPort": port if parts.scheme == "http" else -1,
            "httpsPort": port if parts.scheme == "https" else -1,
            "isPortal": True,
            "portalHostname": f"{parts.netloc}{parts.path}",
            "portalMode": "singletenant",
            "portalName": "ArcGIS Enterprise",
            "portalThumbnail": None,
            "rotatorPanels": [],
            "supportsHostedServices": False,
            "supportsOAuth": True,
            "supportsSceneServices": False,
            "units": "metric",
            "urlKey": None,
        }

    def _user(self, name: str) -> dict[str, Any]:
        """An account; all that the portal knows are administrators."""
        began = round(self.began * 1000)
        return {
            "username": name,
            "fullName": name,
            "firstName": name,
            "lastName": "",
            "preferredView": None,
            "description": None,
            "email": f"{name}@gis.example",
            "userType": "arcgisonly",
            "idpUsername": None,
            "lastLogin": began,
            "access": "org",
            "orgId": ORGANIZATION,
            "role": "org_admin",
            "roleId": "org_admin",
            "privileges": list(ADMINISTRATOR),
            "level": "2",
            "userLicenseTypeId": "creatorUT",
            "disabled": False,
            "tags": [],
            "culture": "en",
            "region": None,
            "units": "metric",
            "thumbnail": None,
            "created": began,
            "modified": began,
            "provider": "arcgis",
            "groups": [],
        }

    def _root(self) -> dict[str, Any]:
        _, full, build = RELEASES[self.release]
        return {
            "resources": ["machines", "security", "system", "federation", "logs"],
            "isUpgrade": False,
            "isPostUpgrade": False,
            "isLicensePopulated": True,
            "isPortalLicensed": True,
            "isLicenseFileRequired": False,
            "isUserTypeLicensing": True,
            "version": full,
            "currentbuild": build,
        }

    def _refusal(self, user: str, password: str) -> str | None:
        """The sentence that refuses an account and its password, or None."""
        told = self.tokens.check_password(user, password)
        return "Invalid username or password" if told is None and "wrong-password" in self.faults else told

    def refusal_code(self, call: Call, token: str | None) -> int | None:
        """498 or 499 where *token* would be refused, else None."""
        try:
            self._admit(call, token)
        except Failure as failure:
            return failure.reply.code
        return None

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
        if user is None or password is None or self._refusal(user, password) is not None:
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


def _not_found(path: str) -> Failure:
    return rest_failure(404, f"Could not find resource or operation '{path.rsplit('/', 1)[-1]}' on the system.")
