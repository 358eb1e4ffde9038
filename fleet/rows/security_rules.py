"""What a site's security settings should be, as rules on what was read: no I/O, and no site is asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from fleet.protocol.fields import as_bool, as_epoch, as_int

__all__ = ["CHECKS", "Facts", "Finding", "Severity", "findings", "open_to"]

Severity: TypeAlias = Literal["critical", "important", "recommended", "unknown", "ok"]

LONG_TOKEN = 1440
"""Minutes that a long-lived token may live by default; the short-lived ones live 60."""

LONGEST_TOKEN = 20_160
OLD_KEY = 365 * 86_400.0
WEAK_PROTOCOLS = ("SSLV2", "SSLV3", "TLSV1", "TLSV1.0", "TLSV1.1")
WEAK_CIPHER = re.compile(r"RC4|DES|NULL|EXPORT|MD5|anon", re.IGNORECASE)
NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw, beside what is wanted, and what to do about it."""

    check: str
    severity: Severity
    saw: Any
    wanted: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read of one site: answers by part, and why a part could not be read. `now` is epoch seconds."""

    url: str
    now: float
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


Rule = Callable[[Facts, Mapping[str, Any]], Finding]


def findings(facts: Facts) -> list[Finding]:
    """A finding per check, the gravest first; a part that could not be read makes its checks unknown."""
    found: list[Finding] = []
    for check, (part, rule) in CHECKS.items():
        if part == "":
            found.append(rule(facts, {}))
        elif part in facts.parts:
            found.append(rule(facts, facts.parts[part]))
        elif part in facts.missing:
            found.append(Finding(check, "unknown", None, "", f"not readable: {facts.missing[part]}"))
    order = ("critical", "important", "recommended", "unknown", "ok")
    return sorted(found, key=lambda one: order.index(one.severity))


def _judged(check: str, good: bool | None, bad: Severity, saw: Any, wanted: str, advice: str) -> Finding:
    """A finding that is ok where *good*, unknown where that is None, and else as grave as *bad*."""
    if good is None:
        return Finding(check, "unknown", saw, wanted, "the site does not tell this setting")
    return Finding(check, "ok", saw, wanted) if good else Finding(check, bad, saw, wanted, advice)


def _parts(text: Any) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()] if isinstance(text, str) else []


# The web server


def _inventory_url(facts: Facts, _: Mapping[str, Any]) -> Finding:
    https = facts.url.startswith("https://")
    return _judged(
        "inventory-url", https, "critical", facts.url.partition("://")[0], "https", "give the site an https url"
    )


def _https(facts: Facts, config: Mapping[str, Any]) -> Finding:
    on, also = as_bool(config.get("sslEnabled")), as_bool(config.get("httpEnabled"))
    saw = "https only" if on and also is False else "http and https" if on and also else "http" if on is False else None
    good = None if on is None or also is None else on and not also
    advice = "fleet security config set Protocol=HTTPS"
    return _judged("https-only", good, "critical", saw, "https only", advice)


def _protocols(facts: Facts, config: Mapping[str, Any]) -> Finding:
    names = _parts(config.get("httpsProtocols"))
    weak = [name for name in names if name.upper() in WEAK_PROTOCOLS]
    advice = "fleet security config set httpsProtocols=TLSv1.2,TLSv1.3"
    return _judged("tls-versions", not weak if names else None, "critical", ",".join(names), "TLSv1.2, TLSv1.3", advice)


def _ciphers(facts: Facts, config: Mapping[str, Any]) -> Finding:
    names = _parts(config.get("cipherSuites"))
    weak = [name for name in names if WEAK_CIPHER.search(name)]
    saw = ",".join(weak) if weak else ",".join(names[:NAMES_SHOWN])
    advice = "fleet security config set cipherSuites=… without these"
    return _judged("ciphers", not weak if names else None, "important", saw, "no RC4, DES, NULL, MD5", advice)


def _hsts(facts: Facts, config: Mapping[str, Any]) -> Finding:
    on = as_bool(config.get("HSTSEnabled"))
    return _judged("hsts", on, "recommended", on, "on", "fleet security config set HSTSEnabled=true")


def _security_on(facts: Facts, config: Mapping[str, Any]) -> Finding:
    on = as_bool(config.get("securityEnabled"))
    return _judged("security-enabled", on, "critical", on, "on", "switch security on for the site")


def _virtual_directories(facts: Facts, config: Mapping[str, Any]) -> Finding:
    on = as_bool(config.get("virtualDirsSecurityEnabled"))
    advice = "fleet security config set virtualDirsSecurityEnabled=true, unless open services write output there"
    return _judged("virtual-directories", on, "recommended", on, "secured", advice)


# Services and what they let through


def _queries(facts: Facts, properties: Mapping[str, Any]) -> Finding:
    """Standardised queries are on unless somebody switched them off."""
    told = properties.get("standardizedQueries")
    on = True if told is None else as_bool(told)
    advice = "set the system property standardizedQueries to true: raw SQL of clients reaches the database"
    return _judged("standardised-queries", on, "critical", "on" if told is None else told, "on", advice)


def _web_content(facts: Facts, properties: Mapping[str, Any]) -> Finding:
    """The filter of feature services is on unless somebody switched it off for all."""
    told = properties.get("featureServiceXSSFilter")
    off = told is not None and str(told).strip().lower() in ("off", "false", "none", "disabled")
    advice = "remove the system property featureServiceXSSFilter: scripts in features reach browsers"
    return _judged("web-content-filter", not off, "critical", "on" if told is None else told, "on", advice)


def _unfiltered(facts: Facts, services: Mapping[str, Any]) -> Finding:
    names: Sequence[str] = services["names"]
    advice = "set xssPreventionEnabled of their FeatureServer extension to true"
    return _judged("unfiltered-services", not names, "critical", _some(names), "none", advice)


def _directory(facts: Facts, told: Mapping[str, Any]) -> Finding:
    on = as_bool(told.get("servicesDirEnabled", told.get("enabled")))
    good = None if on is None else not on
    advice = "switch the services directory off where nobody develops"
    return _judged("services-directory", good, "important", on, "off", advice)


def _origins(facts: Facts, told: Mapping[str, Any]) -> Finding:
    origins = _parts(told.get("allowedOrigins"))
    anybody = not origins or "*" in origins
    good = None if "allowedOrigins" not in told else not anybody
    saw = ",".join(origins) or "*"
    return _judged("allowed-origins", good, "important", saw, "named origins", "name the origins that may ask")


def _callbacks(facts: Facts, told: Mapping[str, Any]) -> Finding:
    on = as_bool(told.get("callbackFunctionsEnabled"))
    good = None if on is None else not on
    return _judged("jsonp-callbacks", good, "recommended", on, "off", "switch callback functions off")


def _everyone(facts: Facts, services: Mapping[str, Any]) -> Finding:
    names: Sequence[str] = services["names"]
    advice = "look whether these are meant for everybody"
    return _judged("open-to-everyone", not names, "recommended", _some(names), "only what is meant to be", advice)


def _system_folder(facts: Facts, told: Mapping[str, Any]) -> Finding:
    names: Sequence[str] = told["names"]
    advice = "only administrators and publishers may use the services of the System folder"
    return _judged("system-folder", not names, "critical", _some(names), "nobody else", advice)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


# Tokens and the primary administrator


def _properties_of(tokens: Mapping[str, Any]) -> Mapping[str, Any]:
    told = tokens.get("properties")
    return told if isinstance(told, Mapping) else {}


def _token_get(facts: Facts, tokens: Mapping[str, Any]) -> Finding:
    on = as_bool(_properties_of(tokens).get("allowHttpGet", "false"))
    good = None if on is None else not on
    advice = "fleet security tokens set allowHttpGet=false: passwords stand in addresses, and in every log of these"
    return _judged("tokens-by-get", good, "critical", on, "off", advice)


def _token_query(facts: Facts, tokens: Mapping[str, Any]) -> Finding:
    on = as_bool(_properties_of(tokens).get("allowHttpPostQueryParams", "false"))
    good = None if on is None else not on
    advice = "fleet security tokens set allowHttpPostQueryParams=false"
    return _judged("tokens-by-query", good, "critical", on, "off", advice)


def _lifetimes(facts: Facts, tokens: Mapping[str, Any]) -> Finding:
    told = _properties_of(tokens)
    short, long = as_int(told.get("shortTimeout")), as_int(told.get("longTimeout"))
    saw = f"{short} and {long} min" if short is not None and long is not None else None
    wanted = f"at most 60 and {LONG_TOKEN} min"
    advice = f"fleet security tokens set shortTimeout=60 longTimeout={LONG_TOKEN}"
    if short is None or long is None:
        return _judged("token-lifetimes", None, "recommended", saw, wanted, advice)
    grave: Severity = "important" if max(short, long) > LONGEST_TOKEN else "recommended"
    return _judged("token-lifetimes", short <= 60 and long <= LONG_TOKEN, grave, saw, wanted, advice)


_KEY_DATE = re.compile(r"sharedKey.*(?:date|time|created|modified|changed|updated).*", re.IGNORECASE)


def _shared_key(facts: Facts, tokens: Mapping[str, Any]) -> Finding:
    """Its age is told by few sites, and is no finding where it is not."""
    told = _properties_of(tokens)
    moments = [as_epoch(value) for name, value in told.items() if _KEY_DATE.fullmatch(str(name))]
    known = [moment for moment in moments if moment is not None]
    if not known:
        return Finding("shared-key", "ok", "age not told", "younger than a year")
    days = int((facts.now - max(known)) / 86_400)
    advice = "fleet security tokens set --shared-key-from …: every token becomes invalid"
    return _judged("shared-key", days * 86_400 <= OLD_KEY, "recommended", f"{days} days", "younger than a year", advice)


def _psa(facts: Facts, psa: Mapping[str, Any]) -> Finding:
    disabled = as_bool(psa.get("disabled"))
    saw = None if disabled is None else "disabled" if disabled else "enabled"
    advice = "fleet security psa disable, once another administrator can sign in"
    return _judged("primary-administrator", disabled, "recommended", saw, "disabled", advice)


CHECKS: Mapping[str, tuple[str, Rule]] = {
    "inventory-url": ("", _inventory_url),
    "https-only": ("config", _https),
    "tls-versions": ("config", _protocols),
    "ciphers": ("config", _ciphers),
    "hsts": ("config", _hsts),
    "security-enabled": ("config", _security_on),
    "virtual-directories": ("config", _virtual_directories),
    "standardised-queries": ("properties", _queries),
    "web-content-filter": ("properties", _web_content),
    "unfiltered-services": ("unfiltered", _unfiltered),
    "services-directory": ("servicesdirectory", _directory),
    "allowed-origins": ("servicesdirectory", _origins),
    "jsonp-callbacks": ("servicesdirectory", _callbacks),
    "open-to-everyone": ("everyone", _everyone),
    "system-folder": ("system", _system_folder),
    "tokens-by-get": ("tokens", _token_get),
    "tokens-by-query": ("tokens", _token_query),
    "token-lifetimes": ("tokens", _lifetimes),
    "shared-key": ("tokens", _shared_key),
    "primary-administrator": ("psa", _psa),
}
"""Each check: which part of what was read it looks at (none: the inventory), and its rule."""


def open_to(permissions: Any, principals: Sequence[str] | None = None) -> Iterator[str]:
    """The principals that *permissions* let in, or those of *principals* among them."""
    for entry in permissions if isinstance(permissions, list) else ():
        if not isinstance(entry, Mapping) or not isinstance(entry.get("principal"), str):
            continue
        permission = entry.get("permission")
        allowed = as_bool(permission.get("isAllowed")) if isinstance(permission, Mapping) else None
        if allowed and (principals is None or entry["principal"] in principals):
            yield entry["principal"]
