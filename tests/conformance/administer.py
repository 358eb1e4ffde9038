"""What is asked of each server that ArcGIS API for Python can reach, by its own login or by its portal's."""

from seen import seen


def administer(server: object) -> None:
    """List, stop, start and edit services of *server*, an `arcgis.gis.server.Server`; query logs, read machines."""
    folders = server.services.folders
    assert len(folders) > 1, folders
    services = [service for folder in folders for service in server.services.list(folder=folder)]
    assert services, "no service is listed"
    service = services[0]
    assert service.stop() is True
    seen(service.url, realTimeState="STOPPED", configuredState="STOPPED")
    assert service.status["realTimeState"] == "STOPPED"
    assert service.start() is True
    seen(service.url, realTimeState="STARTED", configuredState="STARTED")
    assert service.status["realTimeState"] == "STARTED"
    definition = dict(service.properties)
    more = definition["maxInstancesPerNode"] + 1
    done, answer = service.edit({**definition, "maxInstancesPerNode": more})
    assert done, answer
    seen(service.url, maxInstancesPerNode=more)
    assert service.properties["maxInstancesPerNode"] == more
    records = server.logs.query(level="WARNING")["logMessages"]
    assert records, "no log record was found"
    assert {record["type"] for record in records} <= {"SEVERE", "WARNING"}
    machines = server.machines.list()
    assert machines, "no machine is listed"
    assert all(machine.status["realTimeState"] == "STARTED" for machine in machines)
