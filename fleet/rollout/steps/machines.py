"""The steps on machines and on the certificates in their key stores."""

from __future__ import annotations

from typing import Any

from fleet.bulk.certificate_files import read_certificate, read_pfx
from fleet.bulk.certificate_switch import Switch
from fleet.bulk.certificates import Delete, Generate, ImportRoot, ImportServer, ImportSigned
from fleet.bulk.machine_settings import EDITABLE, Edit, Register, Synchronize, Unregister
from fleet.bulk.machines import ChosenMachines, Start, Stop
from fleet.bulk.rolling import Restart
from fleet.bulk.verb import Verb
from fleet.errors import UsageError
from fleet.rollout.steps.kinds import Kind
from fleet.rollout.steps.parameters import Given, Making, Parameter, as_text, found_secret

__all__ = ["KINDS"]

MACHINES = (
    Parameter(name="machines", type="texts", meaning="which machines: names with * and ?, with or without domain; all"),
    Parameter(name="where", type="condition", meaning="only machines whose row fits"),
    Parameter(name="ignore_not_found", type="flag", meaning="a machine that is not there is no failure", default=False),
)
ON_MACHINES = Parameter(name="machines", type="texts", meaning="only on machines that fit, with * and ?")
NEEDED = Parameter(name="machines", type="texts", meaning="which machines: names with * and ?", required=True)
OUTAGE = Parameter(
    name="allow_outage", type="flag", meaning="also where no machine of a site would be left running", default=False
)
ALIAS = Parameter(name="alias", type="text", meaning="its name in the key stores", required=True)
FILE = Parameter(name="file", type="file", meaning="the certificate", required=True)
SUBJECT = {
    "validity": ("count", "days that it is valid"),
    "san": ("text", "names that it is for, as in DNS:gis.example.net,DNS:gis"),
    "organization": ("text", "organization"),
    "organizationalUnit": ("text", "organizational unit"),
    "city": ("text", "city"),
    "state": ("text", "state or province"),
    "country": ("text", "country, in two letters"),
    "keysize": ("count", "bits of its key"),
}


def _chosen(given: Given) -> ChosenMachines:
    return ChosenMachines(given["machines"], given.get("where"), bool(given.get("ignore_not_found")))


def _edit(given: Given, making: Making) -> Verb:
    return Edit(_chosen(given), settings={name: as_text(value) for name, value in given["set"].items()})


def _generate(given: Given, making: Making) -> Verb:
    subject: dict[str, Any] = {name: given[name] for name in SUBJECT if given[name] is not None}
    return Generate(_chosen(given), given["alias"], given["common_name"], subject)


def _import(given: Given, making: Making) -> Verb:
    password = found_secret(given["password"], "password")
    return ImportServer(_chosen(given), given["alias"], read_pfx(given["file"], password), password=password)


def _delete(given: Given, making: Making) -> Verb:
    return Delete(_chosen({"machines": given["machines"]}), given["alias"], given["where"])


def _switch(given: Given, making: Making) -> Verb:
    return Switch(_chosen(given), given["alias"], force=bool(given["force"]), wait=given["wait"])


def _register(given: Given, making: Making) -> Verb:
    if "://" not in given["admin_url"]:
        raise UsageError("admin_url is the machine's own address, such as https://HOST:6443/arcgis/admin")
    return Register(given["machine"], given["admin_url"])


KINDS = (
    Kind(
        do="machines.start",
        meaning="Start machines; what runs already is left alone.",
        verbs=(Start,),
        parameters=MACHINES,
        make=lambda given, making: Start(_chosen(given)),
        undo="those that were to stand are stopped",
    ),
    Kind(
        do="machines.stop",
        meaning="Stop machines, with all services on them; a site keeps one that runs.",
        verbs=(Stop,),
        parameters=(NEEDED, *MACHINES[1:], OUTAGE),
        make=lambda given, making: Stop(_chosen(given), allow_outage=bool(given["allow_outage"])),
        undo="those that were to run are started",
    ),
    Kind(
        do="machines.restart",
        meaning="Stop and start machines, one of a site after another, each only while the rest carries the load.",
        verbs=(Restart,),
        parameters=(
            *MACHINES,
            OUTAGE,
            Parameter(name="wait", type="duration", meaning="limit for a machine to be back", default=600.0),
        ),
        make=lambda given, making: Restart(
            _chosen(given), allow_outage=bool(given["allow_outage"]), wait=given["wait"]
        ),
    ),
    Kind(
        do="machines.edit",
        meaning="Change heap sizes (MB), ports or the admin URL; the machine's web server restarts.",
        verbs=(Edit,),
        parameters=(
            *MACHINES,
            Parameter(name="set", type="table", meaning=f"settings of {', '.join(EDITABLE)}", required=True),
        ),
        make=_edit,
        undo="the settings that it had, where the site tells all of them",
    ),
    Kind(
        do="machines.synchronize",
        meaning="Bring machines to the state of their site, where the site says that they need it.",
        verbs=(Synchronize,),
        parameters=MACHINES,
        make=lambda given, making: Synchronize(_chosen(given)),
    ),
    Kind(
        do="machines.unregister",
        meaning="Take machines out of their site; the last one stays.",
        verbs=(Unregister,),
        parameters=(NEEDED, *MACHINES[1:]),
        make=lambda given, making: Unregister(_chosen(given)),
        undo="the machine joins its site again",
    ),
    Kind(
        do="machines.register",
        meaning="Let a machine that has the software and is in no site join a site.",
        verbs=(Register,),
        parameters=(
            Parameter(name="machine", type="text", meaning="its name", required=True),
            Parameter(name="admin_url", type="text", meaning="https://HOST:6443/arcgis/admin", required=True),
        ),
        make=_register,
        undo="it is taken out again",
    ),
    Kind(
        do="certificates.generate",
        meaning="Make a self-signed certificate, the first step to a signing request.",
        verbs=(Generate,),
        parameters=(
            ALIAS,
            Parameter(name="common_name", type="text", meaning="whose it is (each machine's own name)"),
            *(Parameter(name=name, type=kind, meaning=text) for name, (kind, text) in SUBJECT.items()),  # type: ignore[arg-type]
            ON_MACHINES,
        ),
        make=_generate,
        undo="it is deleted",
    ),
    Kind(
        do="certificates.import",
        meaning="Import a server certificate with its key, a PKCS#12 file.",
        verbs=(ImportServer,),
        parameters=(
            FILE,
            ALIAS,
            Parameter(name="password", type="secret", meaning="the file's password", required=True),
            ON_MACHINES,
        ),
        make=_import,
        undo="it is deleted",
    ),
    Kind(
        do="certificates.import-root",
        meaning="Let machines trust the certificate of an authority.",
        verbs=(ImportRoot,),
        parameters=(FILE, ALIAS, ON_MACHINES),
        make=lambda given, making: ImportRoot(_chosen(given), given["alias"], read_certificate(given["file"])),
        undo="it is deleted",
    ),
    Kind(
        do="certificates.import-signed",
        meaning="Put what an authority made of a signing request in the place of the self-signed certificate.",
        verbs=(ImportSigned,),
        parameters=(FILE, ALIAS, ON_MACHINES),
        make=lambda given, making: ImportSigned(_chosen(given), given["alias"], read_certificate(given["file"])),
        undo="none: the self-signed one is replaced, and its key stays",
    ),
    Kind(
        do="certificates.switch",
        meaning="Let web servers show another certificate; each restarts, and clients are seen to get the new one.",
        verbs=(Switch,),
        parameters=(
            ALIAS,
            ON_MACHINES,
            Parameter(name="force", type="flag", meaning="also to one that clients would refuse", default=False),
            Parameter(name="wait", type="duration", meaning="limit for the web server", default=300.0),
        ),
        make=_switch,
        undo="the web servers show the one that they showed before",
    ),
    Kind(
        do="certificates.delete",
        meaning="Delete certificates by alias, with * and ?; one that is in use is left alone.",
        verbs=(Delete,),
        parameters=(
            Parameter(name="alias", type="text", meaning="which: an alias, with * and ?", required=True),
            ON_MACHINES,
            Parameter(name="where", type="condition", meaning="only certificates whose row fits"),
        ),
        make=_delete,
        undo="none: the site never gives a key away",
    ),
)
"""The steps on machines and certificates."""
