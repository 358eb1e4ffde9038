"""The check of the certificate that a site shows: its days, its chain, and why it is refused, if it is."""

from __future__ import annotations

from fleet.client.handshake import PeerCertificate
from fleet.client.tls import UNKNOWN_ISSUER
from fleet.errors import BadAnswer
from fleet.health.certificates import EXTRA, Certificate, Chain, anchor_in, certificate_of, chain_of, readable
from fleet.health.check import Finding, Limits, Status
from fleet.health.facts import Facts
from fleet.health.words import DAY, ends

__all__ = ["look"]

RENEW = "renew the certificate of the web server that answers at the site's url"
NAMES = 5
"""Hosts of a certificate that are named before the rest is counted."""


async def look(facts: Facts, limits: Limits) -> Finding:
    """What the certificate is, by the verified connection; the chain, and what is refused, with the `crypto` extra."""
    site = facts.client.site
    wanted = f"a trusted certificate, valid for {limits.warning or limits.critical or 0:g} days more"
    if site.in_clear:
        return Finding(
            status="skipped",
            saw="the site is asked over http",
            wanted=wanted,
            advice="give the site a certificate, and write https:// in its url",
        )
    if site.proxy is not None:
        return Finding(
            status="skipped",
            saw="the certificate is not looked at through a proxy",
            wanted=wanted,
            advice="run this check from a machine that reaches the site without the proxy",
        )
    certificate = await facts.certificate()
    if certificate is None or (certificate.refusal is None and not certificate.der):
        return Finding(
            status="skipped",
            saw="the connection showed no certificate",
            wanted=wanted,
            advice=f"see what answers there: fleet call rest/info --trace -s {site.name}",
        )
    if not readable():
        return _without_extra(certificate, limits, wanted, facts.now())
    chain = chain_of(certificate.sent) if certificate.sent else None
    own = chain.path[0] if chain is not None else certificate_of(certificate.der)
    if certificate.refusal is not None:
        return _refused(certificate, own, chain, wanted, facts.now())
    if own is None:
        return Finding(
            status="unknown",
            saw="the certificate can't be read",
            wanted=wanted,
            advice=RENEW,
            obstacle=BadAnswer("the certificate can't be read"),
        )
    pinned = site.tls.pin is not None
    anchor = None
    if chain is not None and chain.above is not None and certificate.verified and site.tls.ca is not None:
        anchor = anchor_in(site.tls.ca, chain.path[-1].parsed.issuer)
    finding = _accepted(certificate, own, chain, anchor, limits, wanted, facts.now(), pinned=pinned)
    if anchor is not None and not anchor.of_itself and certificate.whole and finding.status == "ok":
        return Finding(
            status="warning",
            saw=f"{finding.saw}; that of its issuer is not sent, and who trusts only the root refuses it",
            wanted=wanted,
            advice=f"let the web server send the certificate of {anchor.name} too",
            items=finding.items,
        )
    if not certificate.verified and not pinned:
        return Finding(
            status="warning" if finding.status == "ok" else finding.status,
            saw=f"the certificate is not verified; it is for {_hosts(own)}; {finding.saw}",
            wanted=wanted,
            advice=finding.advice or "name the authority with tls = { ca = … } in place of verify = false",
            items=finding.items,
        )
    return finding


def _without_extra(certificate: PeerCertificate, limits: Limits, wanted: str, now: float) -> Finding:
    advice = f"{EXTRA} where fleet runs: pip install 'arcgis-fleet[crypto]'"
    if certificate.refusal is not None:
        return Finding(
            status="critical",
            saw=f"{certificate.refusal.message}; its days and names skipped: {EXTRA}",
            wanted=wanted,
            advice=certificate.refusal.hint or RENEW,
            obstacle=certificate.refusal,
        )
    end = certificate.not_after
    if end is None:
        return Finding(status="skipped", saw=EXTRA, wanted=wanted, advice=advice)
    status = limits.below((end - now) / DAY)
    issuer = f", from {certificate.issuer}" if certificate.issuer else ""
    return Finding(
        status=status,
        saw=f"the certificate {ends(end - now)}{issuer}; its chain skipped: {EXTRA}",
        wanted=wanted,
        advice="" if status == "ok" else RENEW,
    )


def _refused(
    certificate: PeerCertificate, own: Certificate | None, chain: Chain | None, wanted: str, now: float
) -> Finding:
    refusal = certificate.refusal
    assert refusal is not None
    told = refusal.message
    advice = refusal.hint or RENEW
    if own is not None:
        told += f": it is for {_hosts(own)}, from {own.issuer}, and {ends(own.ends - now)}"
    if chain is not None and certificate.whole and refusal.code in UNKNOWN_ISSUER and chain.above is not None:
        told += f"; the certificate of {chain.above} is not sent, and not trusted here"
        advice = f"let the web server send the certificate of {chain.above} too, or: {advice}"
    return Finding(
        status="critical",
        saw=told,
        wanted=wanted,
        advice=advice,
        items=_items(certificate, chain, now),
        obstacle=refusal,
    )


def _accepted(
    certificate: PeerCertificate,
    own: Certificate,
    chain: Chain | None,
    anchor: Certificate | None,
    limits: Limits,
    wanted: str,
    now: float,
    *,
    pinned: bool,
) -> Finding:
    end = certificate.not_after if certificate.verified else None
    end = own.ends if end is None else end
    above = () if chain is None else (*chain.path[1:], *(() if anchor is None else (anchor,)))
    first = min(above, key=lambda one: one.ends, default=own)
    status: Status = limits.below((min(end, first.ends) - now) / DAY)
    which = f" is the pinned one, for {_hosts(own)}, and" if pinned else ""
    saw = f"the certificate{which} {ends(end - now)}, from {own.issuer}"
    advice = RENEW
    if first.ends < end:
        saw += f"; the weakest of its issuers, {first.name}, {ends(first.ends - now)}"
        if status != limits.below((end - now) / DAY):
            advice = f"have a certificate made by an authority that lasts longer than {first.name}"
    if not certificate.whole:
        saw += "; its chain can't be seen: with this Python that takes TLS 1.2"
    return Finding(
        status=status,
        saw=saw,
        wanted=wanted,
        advice="" if status == "ok" else advice,
        items=_items(certificate, chain, now, anchor),
    )


def _items(
    certificate: PeerCertificate, chain: Chain | None, now: float, anchor: Certificate | None = None
) -> tuple[str, ...]:
    """A line for each certificate that was sent, from the site's own upwards, and for what is missing above."""
    if chain is None:
        return ()
    lines = [f"{one.name}, from {one.issuer}: {ends(one.ends - now)}" for one in chain.path]
    if chain.above is not None and certificate.whole:
        known = ""
        if certificate.verified:
            known = ", and trusted here" + (f": {ends(anchor.ends - now)}" if anchor is not None else "")
        elif certificate.refusal is not None and certificate.refusal.code in UNKNOWN_ISSUER:
            known = ", and missing here"
        lines.append(f"{chain.above}: not sent{known}")
    lines += [f"{one.name}: sent for nothing, it is in no chain" for one in chain.astray]
    return tuple(lines)


def _hosts(own: Certificate) -> str:
    shown = ", ".join(own.hosts[:NAMES]) or own.name
    return shown + (f" and {len(own.hosts) - NAMES} more" if len(own.hosts) > NAMES else "")
