"""agsadmin against a simulated site: sign in, list, stop, start and edit services, read machines."""

import sys

import agsadmin

host, port, password = sys.argv[1], int(sys.argv[2]), sys.stdin.readline().strip()
for encrypt in (False, True):
    server = agsadmin.RestAdmin(host, "siteadmin", password, port=port, use_ssl=False, encrypt=encrypt)
    services = list(server.services.list_services())
    assert services, "no service is listed"
    service = services[0]
    service.stop_service()
    assert service.get_status()["realTimeState"] == "STOPPED"
    service.start_service()
    assert service.get_status()["realTimeState"] == "STARTED"
    definition = service.get_properties()
    definition["maxInstancesPerNode"] = definition["maxInstancesPerNode"] + 1
    service.set_properties(definition)
    assert service.get_properties()["maxInstancesPerNode"] == definition["maxInstancesPerNode"]
    assert list(server.machines.list()), "no machine is listed"
print("agsadmin: signed in plain and encrypted; listed, stopped, started and edited a service; read machines")
