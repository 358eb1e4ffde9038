"""ArcGIS API for Python against a simulated site: log in, list, stop, start, edit services, query logs, read machines."""

import os
import sys

from administer import administer
from arcgis.gis.server import Server
from seen import refused

url, password = sys.argv[1], sys.stdin.readline().strip()
login = {"username": "siteadmin", "token_url": f"{url}/tokens/generateToken"}
if url.startswith("https"):
    login |= {"verify_cert": True, "ca_bundles": [os.environ["REQUESTS_CA_BUNDLE"]]}
else:
    # Without this it turns every http address into an https one.
    login |= {"all_ssl": False}
# It tells no more than this of a login that is refused.
refused(lambda: Server(url=f"{url}/admin", password="wrong", **login).services, "no attribute 'services'")
administer(Server(url=f"{url}/admin", password=password, **login))
print("arcgis: logged in; listed, stopped, started and edited a service; queried logs; read machines")
