"""ArcGIS API for Python at a simulated portal: log in there, and administer every server that is federated with it."""

import os
import sys

from administer import administer
from arcgis.gis import GIS
from seen import refused

url, password = sys.argv[1], sys.stdin.readline().strip()
trust = {"verify_cert": True, "ca_bundles": [os.environ["REQUESTS_CA_BUNDLE"]]}
refused(lambda: GIS(url, "siteadmin", "wrong", **trust), "Invalid username or password")
portal = GIS(url, "siteadmin", password, **trust)
assert portal.users.me.username == "siteadmin"
assert portal.admin.servers.validate() is True
servers = portal.admin.servers.list()
assert len(servers) == 2, servers
for server in servers:
    administer(server)
# The older kind of login, which its documentation offers beside the other.
assert len(GIS(url, "siteadmin", password, use_gen_token=True, **trust).admin.servers.list()) == 2
print(
    "arcgis: logged in at the portal; listed servers; "
    "on each: listed, stopped, started and edited a service, queried logs, read machines"
)
