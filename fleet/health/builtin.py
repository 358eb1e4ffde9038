"""The checks that come with the package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet import admin as ops
from fleet.errors import NotFound, ServerFailed
from fleet.health.check import Check, Finding, Limits, Status
from fleet.health.facts import Facts
from fleet.protocol.fields import as_bool, as_epoch, path_part, unreached_items
from fleet.protocol.release import Release

__all__ = [
    "datastores",
    "healthcheck",
    "instances",
    "license_days",
    "log_errors",
    "login",
    "machine_certificates",
    "machines",
    "mode",
    "release",
    "services",
    "tls",
]

DAY = 86_400.0


def _days(seconds: float) -> str:
    days = seconds / DAY
    return f"{days:.0f} days" if abs(days) >= 2 else f"{days:.1f} days"


async def _tls(facts: Facts, limits: Limits) -> Finding:
    wanted = f"a trusted certificate, valid for {limits.warning or 0:g} days more"
    site = facts.client.site
    if site.in_clear:
        return Finding(status="skipped", saw="the site is asked over http", wanted=wanted)
    if site.proxy is not None:
        return Finding(status="skipped", saw="the certificate is not looked at through a proxy", wanted=wanted)
    certificate = await facts.certificate()
    if certificate is None:
        return Finding(status="skipped", saw="the connection showed no certificate", wanted=wanted)
    own = None if certificate.verified else _read(certificate.der)
    end = certificate.not_after if certificate.verified else own and own[0]
    if end is None:
        return Finding(
            status="skipped",
            saw="the certificate is not verified, and can't be read: install arcgis-fleet[crypto]",
            wanted=wanted,
        )
    issuer = f", from {certificate.issuer}" if certificate.issuer else ""
    above = (
        [found for der in certificate.chain[1:] if (found := _read(der)) is not None] if certificate.verified else []
    )
    first, name = min(above, default=(end, ""))
    if first < end and limits.below((first - facts.now()) / DAY) != "ok":
        left = first - facts.now()
        return Finding(
            status=limits.below(left / DAY),
            saw=f"the certificate's authority {name} ends in {_days(left)}",
            wanted=wanted,
            advice="have a certificate made by an authority that lasts longer, and let the web server send its chain",
        )
    left = end - facts.now()
    status = limits.below(left / DAY)
    if not certificate.verified and status == "ok" and site.tls.pin is None:
        return Finding(
            status="warning",
            saw=f"the certificate is not verified; it ends in {_days(left)}",
            wanted=wanted,
            advice="name the authority with tls = { ca = … } in place of verify = false",
        )
    return Finding(
        status=status,
        saw=f"the certificate ends in {_days(left)}{issuer}"
        if left >= 0
        else f"the certificate ended {_days(-left)} ago",
        wanted=wanted,
        advice="" if status == "ok" else "renew the certificate of the web server that answers at the site's url",
    )


def _read(der: bytes) -> tuple[float, str] | None:
    """When a certificate ends, in epoch seconds, and whose it is; None without the `crypto` extra."""
    try:
        from cryptography import x509
    except ImportError:
        return None
    try:
        certificate = x509.load_der_x509_certificate(der)
        return certificate.not_valid_after_utc.timestamp(), certificate.subject.rfc4514_string()
    except ValueError:
        return None


async def _healthcheck(facts: Facts, limits: Limits) -> Finding:
    wanted = "the site says that it is healthy"
    path = "rest/info/healthCheck"
    try:
        answer = await facts.health()
    except NotFound:
        return Finding(status="skipped", saw="this release has no health check", wanted=wanted)
    except ServerFailed as error:
        return Finding(
            status="critical",
            saw=f"the health check fails: {error.message}",
            wanted=wanted,
            advice=f"look at the site's log: fleet call admin/logs/query -p level=SEVERE -s {facts.client.site.name}",
        )
    if as_bool(answer.get("success")) is True:
        return Finding(status="ok", saw="healthy", wanted=wanted)
    return Finding(
        status="critical",
        saw="the health check says that the site is not healthy",
        wanted=wanted,
        advice=f"ask again, and look at the log: fleet call {path} -s {facts.client.site.name}",
    )


async def _login(facts: Facts, limits: Limits) -> Finding:
    await facts.login()
    return Finding(status="ok", saw="signed in", wanted="the account of the inventory signs in")


async def _release(facts: Facts, limits: Limits) -> Finding:
    found = Release.of(dict(await facts.rest_info()))
    wanted = "a release that is known" if limits.warning is None else f"release {limits.warning:g} or later"
    if found is None:
        return Finding(status="unknown", saw="the site does not say its release", wanted=wanted)
    number = found.parts[0] + found.parts[1] / 10 + found.parts[2] / 100
    status = limits.below(number)
    return Finding(
        status=status, saw=f"release {found}", wanted=wanted, advice="" if status == "ok" else "plan an upgrade"
    )


async def _machines(facts: Facts, limits: Limits) -> Finding:
    states = await facts.machines()
    wanted = "every machine that should run runs"
    down = [m for m in states if m.configured == "STARTED" and m.real != "STARTED"]
    if not states:
        return Finding(status="unknown", saw="the site lists no machine", wanted=wanted)
    if not down:
        return Finding(status="ok", saw=f"{len(states)} of {len(states)} run", wanted=wanted)
    return Finding(
        status=limits.at_least(len(down)),
        saw=f"{len(down)} of {len(states)} should run and does not"
        if len(down) == 1
        else f"{len(down)} of {len(states)} should run and do not",
        wanted=wanted,
        # A machine's name is the site's text: encoded, nothing in it means anything to a shell.
        advice=f"fleet call admin/machines/{path_part(down[0].name)}/start --method POST --change "
        f"-s {facts.client.site.name}",
        items=tuple(f"{m.name} is {m.real}" for m in down),
    )


async def _services(facts: Facts, limits: Limits) -> Finding:
    states = await facts.services()
    wanted = "every service that should run runs"
    off = [s for s in states if s.configured == "STARTED" and s.real != "STARTED"]
    if not off:
        return Finding(status="ok", saw=f"{len(states)} services as they should be", wanted=wanted)
    return Finding(
        status=limits.at_least(len(off)),
        saw=f"{len(off)} of {len(states)} stopped that should run",
        wanted=wanted,
        advice=f"fleet call admin/services/{off[0].service.path}/start --method POST --change -s {facts.client.site.name}",
        items=tuple(f"{s.service} is {s.real}" for s in off),
    )


async def _instances(facts: Facts, limits: Limits) -> Finding:
    states = [s for s in await facts.services() if s.real == "STARTED" and s.most]
    wanted = "every running service has an instance to spare"
    full = [s for s in states if s.busy is not None and s.most is not None and s.busy >= s.most and not s.free]
    if not full:
        return Finding(status="ok", saw=f"{len(states)} services have instances to spare", wanted=wanted)
    return Finding(
        status=limits.at_least(len(full)),
        saw=f"{len(full)} of {len(states)} services have no instance to spare",
        wanted=wanted,
        advice="raise maxInstancesPerNode of these services, or find out who keeps them busy",
        items=tuple(f"{s.service}: {s.busy} of {s.most} busy" for s in full),
    )


async def _mode(facts: Facts, limits: Limits) -> Finding:
    wanted = "the site is EDITABLE"
    try:
        answer = await facts.mode()
    except NotFound:
        return Finding(status="skipped", saw="this release has no site mode", wanted=wanted)
    mode = answer.get("siteMode")
    if mode == "EDITABLE":
        return Finding(status="ok", saw="EDITABLE", wanted=wanted)
    return Finding(
        status="warning" if mode == "READ_ONLY" else "unknown",
        saw=f"the site is {mode}" if isinstance(mode, str) else "the site does not say its mode",
        wanted=wanted,
        advice="once the maintenance is over: fleet call admin/mode/update -p siteMode=EDITABLE --change -s "
        + facts.client.site.name,
    )


async def _license(facts: Facts, limits: Limits) -> Finding:
    wanted = f"no licence ends within {limits.warning or 0:g} days"
    ends = sorted(_license_ends(await facts.licenses()))
    if not ends:
        return Finding(status="ok", saw="no licence that ends", wanted=wanted)
    left = ends[0][0] - facts.now()
    status = limits.below(left / DAY)
    soon = [(end, name) for end, name in ends if limits.below((end - facts.now()) / DAY) != "ok"]
    return Finding(
        status=status,
        saw=f"the first licence ends in {_days(left)}" if left >= 0 else f"a licence ended {_days(-left)} ago",
        wanted=wanted,
        advice="" if status == "ok" else "authorise the machines of the site with a new licence",
        items=tuple(dict.fromkeys(f"{name} in {_days(end - facts.now())}" for end, name in soon)),
    )


def _license_ends(answer: Mapping[str, Any]) -> list[tuple[float, str]]:
    entries: list[Any] = [answer.get(key) for key in ("edition", "level", "datafeature")]
    for key in ("extensions", "features"):
        value = answer.get(key)
        entries += value if isinstance(value, list) else []
    found = []
    for entry in entries:
        if not isinstance(entry, dict) or as_bool(entry.get("canExpire")) is not True:
            continue
        end = as_epoch(entry.get("expiration"))
        if end is not None:
            found.append((end, str(entry.get("displayName") or entry.get("name") or "licence")))
    return found


async def _datastores(facts: Facts, limits: Limits) -> Finding:
    wanted = "every registered data store can be reached from every machine"
    advice = f"see which: fleet call admin/data/findItems -s {facts.client.site.name}"
    try:
        answer = await facts.client.call(ops.data.validate_all())
    except ServerFailed as error:
        if error.passing:
            raise
        return Finding(status="critical", saw=error.message, wanted=wanted, advice=advice)
    bad = unreached_items(answer)
    if bad:
        saw = f"{len(bad)} checks of data stores did not pass"
        return Finding(status="critical", saw=saw, wanted=wanted, advice=advice, items=tuple(bad))
    return Finding(status="ok", saw="all validated", wanted=wanted)


async def _machine_certificates(facts: Facts, limits: Limits) -> Finding:
    wanted = f"no certificate of a machine ends within {limits.warning or 0:g} days"
    worst: Status = "ok"
    items = []
    unread = 0
    seen = await facts.certificates()
    for machine, alias, certificate in seen:
        end = as_epoch(certificate.get("validUntilEpoch")) or as_epoch(certificate.get("validUntil"))
        if end is None:
            # Old releases called the members by other names.
            unread += 1
            continue
        left = end - facts.now()
        status = limits.below(left / DAY)
        if status != "ok":
            items.append(f"{alias} on {machine}: {_days(left)}")
            worst = "critical" if "critical" in (worst, status) else "warning"
    saw = (
        f"{len(items)} of {len(seen)} certificates end soon"
        if items
        else f"{len(seen) - unread} certificates are valid"
    )
    if unread:
        saw += f", {unread} can't be read"
        worst = "unknown" if worst == "ok" else worst
    advice = "import a new certificate on these machines and switch to it" if items else ""
    return Finding(status=worst, saw=saw, wanted=wanted, advice=advice, items=tuple(items))


async def _log_errors(facts: Facts, limits: Limits) -> Finding:
    now = facts.now()
    query = ops.logs.query(level="SEVERE", newest=round(now * 1000), oldest=round((now - facts.since) * 1000))
    answer = await facts.client.call(query)
    records = answer.get("logMessages")
    count = len(records) if isinstance(records, list) else 0
    more = answer.get("hasMore") is True
    messages = [str(record.get("message")) for record in records or [] if isinstance(record, dict)]
    return Finding(
        status=limits.at_least(count),
        saw=f"{count}{' or more' if more else ''} SEVERE records in {facts.since / 3600:g} hours",
        wanted=f"fewer than {limits.warning or 0:g}",
        advice=""
        if count == 0
        else f"fleet call admin/logs/query -p level=SEVERE --merge union -s {facts.client.site.name}",
        items=tuple(dict.fromkeys(messages))[:20],
    )


tls = Check(name="tls", look=_tls, limits=Limits(30, 7))
healthcheck = Check(name="healthcheck", look=_healthcheck)
login = Check(name="login", look=_login)
release = Check(name="release", look=_release)
machines = Check(name="machines", look=_machines, limits=Limits(None, 1))
services = Check(name="services", look=_services, limits=Limits(None, 1))
instances = Check(name="instances", look=_instances, limits=Limits(1, None))
mode = Check(name="mode", look=_mode)
license_days = Check(name="license", look=_license, limits=Limits(30, 7))
datastores = Check(name="datastores", look=_datastores, on_demand=True)
machine_certificates = Check(
    name="machine_certificates", look=_machine_certificates, limits=Limits(30, 7), on_demand=True
)
log_errors = Check(name="log_errors", look=_log_errors, limits=Limits(1, 50), on_demand=True)
