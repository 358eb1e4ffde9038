"""agsadmin against a simulated site: log in, list, stop, start and edit services, read machines. It knows no logs."""

import os
import sys
from urllib.parse import urlsplit

import agsadmin
from seen import refused, seen

url, password = sys.argv[1], sys.stdin.readline().strip()
parts = urlsplit(url)
tls = parts.scheme == "https"
reach = {"port": parts.port, "use_ssl": tls, "verify": os.environ.get("REQUESTS_CA_BUNDLE", True)}
for encrypt in (False,) if tls else (False, True):
    wrong = agsadmin.RestAdmin(parts.hostname, "siteadmin", "wrong", encrypt=encrypt, **reach)
    refused(wrong.services.list_services, "Invalid credentials")
    server = agsadmin.RestAdmin(parts.hostname, "siteadmin", password, encrypt=encrypt, **reach)
    services = list(server.services.list_services())
    assert services, "no service is listed"
    service = services[0]
    address = f"{url}/admin/services/{service.name}.{service._type}"
    service.stop_service()
    seen(address, realTimeState="STOPPED", configuredState="STOPPED")
    assert service.get_status()["realTimeState"] == "STOPPED"
    service.start_service()
    seen(address, realTimeState="STARTED", configuredState="STARTED")
    assert service.get_status()["realTimeState"] == "STARTED"
    definition = service.get_properties()
    more = definition["maxInstancesPerNode"] + 1
    service.set_properties({**definition, "maxInstancesPerNode": more})
    seen(address, maxInstancesPerNode=more)
    assert service.get_properties()["maxInstancesPerNode"] == more
    machines = list(server.machines.list())
    assert machines, "no machine is listed"
    assert server.machines.get(machines[0].name).name == machines[0].name
how = "over TLS" if tls else "in clear and encrypted"
print(f"agsadmin: logged in {how}; listed, stopped, started and edited a service; read machines")
