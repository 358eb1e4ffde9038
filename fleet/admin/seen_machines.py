"""How changes of machines, certificates, clusters, and of the site as a whole are seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.admin.operation import ReadBack
from fleet.admin.readback import contains, listed, log_settings_are, mode_is, state_is
from fleet.admin.seen import Form, See, above, last_of, named, read_of

__all__ = ["SEEN"]


def _machine_there(path: str, form: Form) -> ReadBack:
    return listed(read_of(path), "machines", named("machineName", form["machineName"]))


def _machine_gone(path: str, form: Form) -> ReadBack:
    return listed(read_of(above(path)), "machines", named("machineName", last_of(path)), gone=True)


def _machine_renamed(path: str, form: Form) -> ReadBack:
    return listed(read_of(path), "machines", named("machineName", form["newMachineName"]))


PORTS = ("OpenEJBPort", "JMXPort", "NamingPort", "DerbyPort")


def _machine_edited(path: str, form: Form) -> ReadBack | None:
    """Each setting that the machine tells; its Java heap has no effect, and no word, from 10.6 on."""
    wanted = {key: value for key, value in form.items() if key not in (*PORTS, "machineName", "appServerMaxHeapSize")}
    ports = {key: form[key] for key in PORTS if key in form}
    if not wanted and not ports:
        return None

    def done(answer: Any) -> bool | None:
        told = answer.get("ports") if isinstance(answer.get("ports"), Mapping) else {}
        if any(key not in answer for key in wanted) or any(key not in told for key in ports):
            return None
        return contains(answer, wanted) and contains(told, ports)

    return ReadBack(look=read_of(path), done=done, whole="appServerMaxHeapSize" not in form)


def _certificate_there(path: str, form: Form) -> ReadBack:
    # One of that name may be there already: that it is the new one is not told.
    return listed(read_of(path), "certificates", named("aliasName", form["alias"]), whole=False)


def _certificate_gone(path: str, form: Form) -> ReadBack:
    return listed(read_of(above(path)), "certificates", named("aliasName", last_of(path)), gone=True)


def _cluster_there(path: str, form: Form) -> ReadBack:
    return listed(read_of(path), "clusters", named("clusterName", form["clusterName"]))


def _cluster_gone(path: str, form: Form) -> ReadBack:
    return listed(read_of(above(path)), "clusters", named("clusterName", last_of(path)), gone=True)


SEEN: Mapping[str, See] = {
    "mode.update": lambda path, form: mode_is(form["siteMode"]),
    "machines.register": _machine_there,
    "machines.rename": _machine_renamed,
    "machines.unregister": _machine_gone,
    "machines.edit": _machine_edited,
    "machines.start": lambda path, form: state_is(f"{path}/status", "STARTED"),
    "machines.stop": lambda path, form: state_is(f"{path}/status", "STOPPED"),
    "machines.sslcertificates.generate": _certificate_there,
    "machines.sslcertificates.importRootOrIntermediate": _certificate_there,
    "machines.sslcertificates.importExistingServerCertificate": _certificate_there,
    "machines.sslcertificates.delete": _certificate_gone,
    "clusters.create": _cluster_there,
    "clusters.delete": _cluster_gone,
    "logs.settings.edit": lambda path, form: log_settings_are(form),
}
"""How each of these changes is seen, by its name in the catalogue."""
