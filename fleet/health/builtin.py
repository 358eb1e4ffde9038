"""The checks that come with the package."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fleet import admin as ops
from fleet.durations import format_duration
from fleet.errors import BadAnswer, NotFound, ServerFailed, SiteError
from fleet.health.check import Check, Finding, Limits, Status
from fleet.health.facts import Facts
from fleet.health.tls import look as look_at_certificate
from fleet.health.words import DAY, counted, days, ends
from fleet.protocol.fields import as_bool, as_epoch, unreached_items
from fleet.protocol.patterns import typed
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

MODE_SINCE = Release((10, 4, 0))


async def _healthcheck(facts: Facts, limits: Limits) -> Finding:
    wanted = "the site says that it is healthy"
    site = facts.client.site.name
    try:
        answer = await facts.health()
    except NotFound:
        return Finding(
            status="skipped",
            saw="this release has no health check",
            wanted=wanted,
            advice="nothing, if the other checks of the site are well",
        )
    except ServerFailed as error:
        return Finding(
            status="critical",
            saw=f"the health check fails: {error.message}",
            wanted=wanted,
            advice=f"look at the site's log: fleet logs query --level SEVERE -s {site}",
        )
    healthy = as_bool(answer.get("success"))
    if healthy is None:
        raise BadAnswer("the health check says neither yes nor no")
    if healthy:
        return Finding(status="ok", saw="healthy", wanted=wanted)
    return Finding(
        status="critical",
        saw="the health check says that the site is not healthy",
        wanted=wanted,
        advice=f"look at the site's log: fleet logs query --level SEVERE -s {site}",
    )


async def _login(facts: Facts, limits: Limits) -> Finding:
    await facts.login()
    return Finding(status="ok", saw="signed in", wanted="the account of the inventory signs in")


async def _release(facts: Facts, limits: Limits) -> Finding:
    found = Release.of(dict(await facts.rest_info()))
    if found is None:
        raise BadAnswer("the site does not say its release")
    warning, critical = _release_at(limits.warning), _release_at(limits.critical)
    least = warning or critical
    wanted = "a release that is known" if least is None else f"release {least} or later"
    status: Status = "ok"
    if warning is not None and found < warning:
        status = "warning"
    if critical is not None and found < critical:
        status = "critical"
    return Finding(
        status=status,
        saw=f"release {found}",
        wanted=wanted,
        advice="" if status == "ok" else "plan an upgrade of this site",
    )


def _release_at(limit: float | None) -> Release | None:
    """The release that a limit names as servers do in `currentVersion`: 10.91 is 10.9.1."""
    return None if limit is None else Release.of({"currentVersion": limit})


async def _machines(facts: Facts, limits: Limits) -> Finding:
    states = await facts.machines()
    wanted = "every machine that should run runs"
    unread = [m for m in states if m.configured is None or m.real is None]
    down = [m for m in states if m.configured == "STARTED" and m.real not in ("STARTED", None)]
    resting = [m for m in states if m.configured == "STOPPED"]
    items = [f"{m.name} is {m.real}" for m in down]
    items += [f"{m.name}: {m.error.message if m.error else 'it does not say its state'}" for m in unread]
    told = f"{len(down)} of {len(states)} should run and {'does' if len(down) == 1 else 'do'} not"
    status = limits.at_least(len(down))
    if status != "ok":
        return Finding(
            status=status,
            saw=told,
            wanted=wanted,
            advice=f"fleet machines start {typed(down[0].name)} -s {facts.client.site.name}",
            items=tuple(items),
        )
    if unread:
        obstacle = next((m.error for m in unread if m.error), None)
        return Finding(
            status="unknown",
            saw=f"nothing is known of {len(unread)} of {counted(len(states), 'machine')}",
            wanted=wanted,
            items=tuple(items),
            obstacle=obstacle or BadAnswer("a machine does not say its state"),
        )
    running = len(states) - len(resting) - len(down)
    stopped = f", {len(resting)} stopped on purpose" if resting else ""
    saw = told if down else f"{running} of {len(states)} run{'s' if running == 1 else ''}{stopped}"
    return Finding(status="ok", saw=saw, wanted=wanted, items=tuple(items))


async def _services(facts: Facts, limits: Limits) -> Finding:
    folders = await facts.folders()
    missed = {folder: found for folder, found in folders.items() if isinstance(found, SiteError)}
    states = [state for found in folders.values() if not isinstance(found, SiteError) for state in found]
    wanted = "every service that should run runs"
    unread = [s for s in states if s.configured is None or s.real is None]
    off = [s for s in states if s.configured == "STARTED" and s.real not in ("STARTED", None)]
    items = [f"{s.service} is {s.real}" for s in off]
    items += [f"{s.service} does not say its state" for s in unread]
    items += [f"folder {folder or '/'}: {error.message}" for folder, error in missed.items()]
    told = f"{len(off)} of {len(states)} stopped that should run"
    status = limits.at_least(len(off))
    if status != "ok":
        return Finding(
            status=status,
            saw=told,
            wanted=wanted,
            advice=f"fleet services start {typed(str(off[0].service))} -s {facts.client.site.name}",
            items=tuple(items),
        )
    if missed or unread:
        blank = [counted(len(missed), "folder")] if missed else []
        blank += [counted(len(unread), "service")] if unread else []
        return Finding(
            status="unknown",
            saw=f"nothing is known of {' and '.join(blank)}",
            wanted=wanted,
            items=tuple(items),
            obstacle=next(iter(missed.values()), None) or BadAnswer("a service does not say its state"),
        )
    resting = sum(s.configured != "STARTED" for s in states)
    stopped = f", {resting} stopped on purpose" if resting else ""
    saw = told if off else f"{counted(len(states), 'service')} as they should be{stopped}"
    return Finding(status="ok", saw=saw, wanted=wanted, items=tuple(items))


async def _instances(facts: Facts, limits: Limits) -> Finding:
    wanted = "every running service has an instance to spare"
    states = [s for s in await facts.services() if s.real == "STARTED"]
    unread = [s for s in states if s.counted == "unread"]
    # A service without a maximum of its own works in the site's shared pool.
    own = [s for s in states if s.counted == "yes" and s.most]
    full = [s for s in own if s.busy >= s.most and not s.free]
    status = limits.at_least(len(full))
    if status != "ok":
        return Finding(
            status=status,
            saw=f"{len(full)} of {counted(len(own), 'service')} have no instance to spare",
            wanted=wanted,
            advice="raise maxInstancesPerNode of these services, or find out who keeps them busy",
            items=tuple(f"{s.service}: {s.busy} of {s.most} busy" for s in full),
        )
    if unread:
        return Finding(
            status="unknown",
            saw=f"the instances of {len(unread)} of {counted(len(states), 'service')} can't be read",
            wanted=wanted,
            items=tuple(str(s.service) for s in unread),
            obstacle=BadAnswer("the report of a service has no numbers of instances"),
        )
    if states and all(s.counted == "no" for s in states):
        return Finding(
            status="skipped",
            saw="the site has no statistics of instances",
            wanted=wanted,
            advice=f"see whether the site counts them: fleet call admin/services/report --trace -s {facts.client.site.name}",
        )
    spare = f"{counted(len(own), 'service')} have instances to spare"
    return Finding(status="ok", saw=f"{spare}, {len(full)} none" if full else spare, wanted=wanted)


async def _mode(facts: Facts, limits: Limits) -> Finding:
    wanted = "the site is EDITABLE"
    try:
        answer = await facts.mode()
    except NotFound:
        found = Release.of(dict(await facts.rest_info()))
        if found is None or found >= MODE_SINCE:
            # The release has it: what is not there is the site.
            raise
        return Finding(
            status="skipped",
            saw=f"release {found} has no site mode",
            wanted=wanted,
            advice=f"nothing: it came with release {MODE_SINCE}",
        )
    mode = answer.get("siteMode")
    if mode == "EDITABLE":
        return Finding(status="ok", saw="EDITABLE", wanted=wanted)
    if mode != "READ_ONLY":
        raise BadAnswer("the site does not say its mode")
    return Finding(
        status="warning",
        saw="the site is READ_ONLY",
        wanted=wanted,
        advice=f"once the maintenance is over: fleet site mode EDITABLE -s {facts.client.site.name}",
    )


async def _license(facts: Facts, limits: Limits) -> Finding:
    wanted = f"no licence ends within {limits.warning or limits.critical or 0:g} days"
    answer = await facts.licenses()
    known, unread = _license_ends(answer)
    now = facts.now()
    soon = [(end, name) for end, name in known if limits.below((end - now) / DAY) != "ok"]
    if soon:
        left = soon[0][0] - now
        return Finding(
            status=limits.below(left / DAY),
            saw=f"the first licence ends in {days(left)}" if left >= 0 else f"a licence ended {days(-left)} ago",
            wanted=wanted,
            advice="authorise the machines of the site with a new licence; see what it has: fleet "
            f"licenses list -s {facts.client.site.name}",
            items=tuple(dict.fromkeys(f"{name} {ends(end - now)}" for end, name in soon)),
        )
    if unread:
        return Finding(
            status="unknown",
            saw=f"the end of {counted(len(unread), 'licence')} can't be read",
            wanted=wanted,
            items=tuple(dict.fromkeys(unread)),
            obstacle=BadAnswer("the end of a licence can't be read"),
        )
    saw = f"the first licence ends in {days(known[0][0] - now)}" if known else "no licence that ends"
    return Finding(status="ok", saw=saw, wanted=wanted)


def _license_ends(answer: Mapping[str, Any]) -> tuple[list[tuple[float, str]], list[str]]:
    """When each licence ends, the first one first, and the names of those whose end can't be read.

    Raises `BadAnswer` for an answer that holds no licence at all.
    """
    entries: list[Any] = [answer[key] for key in ("edition", "level", "datafeature") if answer.get(key) is not None]
    for key in ("extensions", "features"):
        value = answer.get(key)
        entries += value if isinstance(value, list) else [] if value is None else [value]
    if not any(isinstance(entry, dict) and entry for entry in entries):
        raise BadAnswer("the answer holds no licence")
    found, unread = [], []
    for entry in entries:
        if not isinstance(entry, dict):
            unread.append("something that is no licence")
            continue
        name = str(entry.get("displayName") or entry.get("name") or "a licence")
        expires = as_bool(entry.get("canExpire"))
        end = as_epoch(entry.get("expiration"))
        if expires is False:
            continue
        if end is None or expires is None:
            unread.append(name)
        else:
            found.append((end, name))
    return sorted(found), unread


async def _datastores(facts: Facts, limits: Limits) -> Finding:
    wanted = "every registered data store can be reached from every machine"
    advice = f"see which: fleet datastores validate -s {facts.client.site.name}"
    try:
        answer = await facts.call(ops.data.validate_all())
    except ServerFailed as error:
        if error.passing:
            raise
        return Finding(status="critical", saw=error.message, wanted=wanted, advice=advice)
    bad = unreached_items(answer)
    if bad:
        saw = f"{len(bad)} checks of data stores did not pass"
        return Finding(status="critical", saw=saw, wanted=wanted, advice=advice, items=tuple(bad))
    if answer.get("status") != "success" and not (isinstance(answer.get("machines"), list) and answer["machines"]):
        raise BadAnswer("the validation of the data stores says neither yes nor no")
    return Finding(status="ok", saw="all validated", wanted=wanted)


async def _machine_certificates(facts: Facts, limits: Limits) -> Finding:
    wanted = f"no certificate of a machine ends within {limits.warning or limits.critical or 0:g} days"
    seen = await facts.certificates()
    now = facts.now()
    soon: list[tuple[float, str]] = []
    unread = []
    for machine, alias, certificate in seen:
        end = as_epoch(certificate.get("validUntilEpoch")) or as_epoch(certificate.get("validUntil"))
        if end is None:
            # Old releases call the members by other names.
            unread.append(f"{alias} on {machine} does not say when it ends")
        elif limits.below((end - now) / DAY) != "ok":
            soon.append((end - now, f"{alias} on {machine}"))
    soon.sort()
    if soon:
        return Finding(
            status=limits.below(soon[0][0] / DAY),
            saw=f"{len(soon)} of {counted(len(seen), 'certificate')} end soon, the first {ends(soon[0][0])}",
            wanted=wanted,
            advice="import a new certificate on these machines and switch to it: fleet certificates list --sort daysLeft "
            f"-s {facts.client.site.name}",
            items=(*(f"{name} {ends(left)}" for left, name in soon), *unread),
        )
    if unread:
        return Finding(
            status="unknown",
            saw=f"{len(unread)} of {counted(len(seen), 'certificate')} can't be read",
            wanted=wanted,
            items=tuple(unread),
            obstacle=BadAnswer("the end of a certificate can't be read"),
        )
    return Finding(status="ok", saw=f"{counted(len(seen), 'certificate')} valid", wanted=wanted)


async def _log_errors(facts: Facts, limits: Limits) -> Finding:
    # Without a newer border the site takes its own clock's now, which ours may be behind.
    page = max(1000, min(10_000, math.ceil(max(limits.warning or 0, limits.critical or 0))))
    oldest = round((facts.now() - facts.since) * 1000)
    answer = await facts.call(ops.logs.query(level="SEVERE", oldest=oldest, page=page))
    records = answer.get("logMessages")
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise BadAnswer("the answer holds no log records")
    count = len(records)
    status = limits.at_least(count)
    messages = [str(record.get("message")) for record in records]
    span = format_duration(facts.since)
    return Finding(
        status=status,
        saw=f"{count}{' or more' if answer.get('hasMore') is True else ''} SEVERE records in {span}",
        wanted=f"fewer than {limits.warning or limits.critical or 0:g}",
        advice="" if status == "ok" else f"fleet logs query --level SEVERE -s {facts.client.site.name}",
        items=tuple(dict.fromkeys(messages))[:20],
    )


tls = Check(name="tls", look=look_at_certificate, limits=Limits(30, 7))
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
