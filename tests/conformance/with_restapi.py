"""bmi-arcgis-restapi against a simulated site: log in, list, stop, start and edit services, query logs, read machines."""

import sys

from restapi import admin
from seen import refused, seen

url, password = sys.argv[1], sys.stdin.readline().strip()
refused(lambda: admin.ArcServerAdmin(url, "siteadmin", "wrong"), "Invalid credentials")
server = admin.ArcServerAdmin(url, "siteadmin", password)
listed = server.list_services()
assert listed, "no service is listed"
address = listed[0]
name = address.split("/admin/services/")[1].rsplit(".", 1)[0]
service = server.service(name)
service.stop()
seen(address, realTimeState="STOPPED", configuredState="STOPPED")
assert service.status.realTimeState == "STOPPED"
service.start()
seen(address, realTimeState="STARTED", configuredState="STARTED")
assert service.status.realTimeState == "STARTED"
more = service.maxInstancesPerNode + 1
service.edit(description="edited by a client of others", maxInstancesPerNode=more)
seen(address, description="edited by a client of others", maxInstancesPerNode=more)
assert server.service(name).maxInstancesPerNode == more
records = list(server.queryLogs(level="WARNING"))
assert records, "no log record was found"
assert {record.type for record in records} <= {"SEVERE", "WARNING"}
machines = server.machines.machines
assert machines, "no machine is listed"
state = server.request(f"{url}/admin/machines/{machines[0].machineName}/status")
assert state["realTimeState"] == "STARTED"
print("bmi-arcgis-restapi: logged in; listed, stopped, started and edited a service; queried logs; read machines")
