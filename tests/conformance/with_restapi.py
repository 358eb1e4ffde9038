"""bmi-arcgis-restapi against a simulated site: sign in, list, stop, start and edit services, query logs, read machines."""

import sys

from restapi import admin

host, port, password = sys.argv[1], int(sys.argv[2]), sys.stdin.readline().strip()
server = admin.ArcServerAdmin(f"http://{host}:{port}/arcgis", "siteadmin", password)
listed = server.list_services()
assert listed, "no service is listed"
name = listed[0].split("/admin/services/")[1].rsplit(".", 1)[0]
service = server.service(name)
service.stop()
assert service.status.realTimeState == "STOPPED"
service.start()
assert service.status.realTimeState == "STARTED"
service.edit(description="edited by a client of others")
assert server.service(name).description == "edited by a client of others"
records = list(server.queryLogs(level="WARNING"))
assert records, "no log record was found"
assert server.machines.machines, "no machine is listed"
print("bmi-arcgis-restapi: signed in; listed, stopped, started and edited a service; queried logs; read machines")
