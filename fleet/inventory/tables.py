"""One table of an inventory file, checked: what each key may hold, and what to say where it doesn't."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from fleet.durations import parse_duration
from fleet.inventory.model import Auth, CheckSettings, Proxy, Tls
from fleet.inventory.secrets import CredentialRef, Secret

__all__ = [
    "GROUP_KEYS",
    "NAME",
    "RESERVED",
    "SHARED_KEYS",
    "SITE_KEYS",
    "TableReader",
    "check_names",
    "host_of",
    "is_loopback",
    "leads_nowhere",
    "nearest",
    "nearest_few",
    "origin_of",
]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_LOOPBACK = re.compile(rf"127(?:\.{_OCTET}){{3}}")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_PRINTABLE = re.compile(r"[!-\[\]-~]+", re.ASCII)
RESERVED = frozenset({"all", "and", "or", "not"})
_PLAIN_ADDRESS = re.compile(
    r"(https?)://(?!metadata)((?:[A-Za-z0-9-]+\.)*[A-Za-z0-9-]+)(?::([1-9][0-9]{0,4}))?((?:/[A-Za-z0-9_-]+)*)/?",
    re.ASCII,
)
"""What most addresses look like; any other is taken apart, so that the mistake in it can be told."""

BELOW_CONTEXT = frozenset({"admin", "rest", "manager", "tokens", "services"})
SECRET_KINDS = ("env", "file", "keyring", "command")
MISSING = object()

Report = Callable[[tuple[str, ...], str, str | None], None]
"""Takes a mistake: the key's path in its table, the sentence, and the nearest right word."""


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The one of *words* that *word* was most likely meant to be."""
    found = nearest_few(word, words, 1)
    return found[0] if found else None


def nearest_few(word: str, words: Iterable[str], count: int = 3) -> list[str]:
    """At most *count* of *words* that *word* may have been meant to be, the likeliest first; case does not matter."""
    spelt: dict[str, list[str]] = {}
    for known in words:
        spelt.setdefault(known.casefold(), []).append(known)
    close = difflib.get_close_matches(word.casefold(), list(spelt), n=count, cutoff=0.6)
    return [known for found in close for known in spelt[found]][:count]


@cache
def check_names() -> frozenset[str]:
    """The names of the health checks that are installed, ours and others'; none of them is loaded."""
    from importlib.metadata import entry_points

    return frozenset(entry_points(group="fleet.checks").names)


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine's loopback, told by its text alone."""
    if host == "localhost" or _LOOPBACK.fullmatch(host):
        return True
    if not host[-1:].isdigit() and ":" not in host:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def leads_nowhere(address: str) -> bool:
    """Whether the IP *address* can't be a site's: link-local (as clouds' metadata services are), unspecified, multicast."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    found = mapped or found
    return found.is_link_local or found.is_unspecified or found.is_multicast


def _host_mistake(host: str) -> str | None:
    if host.lower() in ("metadata", "metadata.google.internal"):
        return "this names a cloud's metadata service, which is no site"
    if _LOOPBACK.fullmatch(host) or not (":" in host or _NUMBER.fullmatch(host.rpartition(".")[2])):
        # A name, as most hosts are: one that ends in a number is an address to everybody who looks it up.
        return None
    try:
        nowhere = leads_nowhere(host)
    except ValueError:
        return "a host that ends in a number is an IP address, which is written as four numbers: 10.0.0.1"
    return "this is a link-local, unspecified or multicast address, which is no site's" if nowhere else None


def host_of(url: str) -> str:
    """The host in *url*, which was checked when it was read: an IPv6 address comes without its brackets."""
    host = url.split("/", 3)[2].rpartition("@")[2]
    return host[1:].partition("]")[0] if host[:1] == "[" else host.partition(":")[0]


def origin_of(url: str) -> str:
    """Scheme, host and port of *url*, in one spelling: `https://gis.example.com:443`."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


class TableReader:
    """Reads the tables of one file into checked values; mistakes go to *report*, and the value is then left out."""

    def __init__(self, folder: Path, report: Report, command_refusal: str | None) -> None:
        self._folder = folder
        self._report = report
        self._command_refusal = command_refusal
        self._portal_checked: dict[str, str | None] = {}

    def read(self, table: object, where: tuple[str, ...], keys: Mapping[str, str]) -> dict[str, Any]:
        """The checked values of *table*; *keys* says for each key which method of this class reads it."""
        if not isinstance(table, dict):
            self._report(where, f"this is {_kind(table)}, and must be a table", None)
            return {}
        values: dict[str, Any] = {}
        plaintext = table.get("allow_plaintext") is True
        for key, raw in table.items():
            reader = keys.get(key)
            if reader is None:
                self._report((*where, key), "unknown key", nearest(key, keys))
                continue
            place = (*where, key)
            if reader == "secret":
                value = self._secret(raw, place, plaintext)
            else:
                value = getattr(self, f"_{reader}")(raw, place)
            if value is not MISSING:
                values[key] = value
        return values

    def _wrong(self, place: tuple[str, ...], raw: object, wanted: str) -> Any:
        self._report(place, f"this is {_kind(raw)}, and must be {wanted}", None)
        return MISSING

    def _text(self, raw: object, place: tuple[str, ...]) -> Any:
        if not isinstance(raw, str) or not raw:
            return self._wrong(place, raw, "a text")
        return raw

    def _flag(self, raw: object, place: tuple[str, ...]) -> Any:
        return raw if isinstance(raw, bool) else self._wrong(place, raw, "true or false")

    def _duration(self, raw: object, place: tuple[str, ...]) -> Any:
        if not isinstance(raw, str):
            return self._wrong(place, raw, 'a duration in quotes, such as "30s"')
        try:
            seconds = parse_duration(raw)
        except ValueError as error:
            self._report(place, str(error), None)
            return MISSING
        if not 0 < seconds <= 86_400:
            self._report(place, "the time must be more than nothing and at most a day", None)
            return MISSING
        return seconds

    def _count(self, raw: object, place: tuple[str, ...], low: int, high: int) -> Any:
        if not isinstance(raw, int) or isinstance(raw, bool):
            return self._wrong(place, raw, "a whole number")
        if not low <= raw <= high:
            self._report(place, f"this must be from {low} to {high}", None)
            return MISSING
        return raw

    def _reads(self, raw: object, place: tuple[str, ...]) -> Any:
        return self._count(raw, place, 1, 64)

    def _retries(self, raw: object, place: tuple[str, ...]) -> Any:
        return self._count(raw, place, 0, 10)

    def _names(self, raw: object, place: tuple[str, ...]) -> Any:
        if not isinstance(raw, list) or not all(isinstance(name, str) for name in raw):
            return self._wrong(place, raw, "a list of names")
        return tuple(dict.fromkeys(raw))

    def _labels(self, raw: object, place: tuple[str, ...]) -> Any:
        if not isinstance(raw, dict):
            return self._wrong(place, raw, "a table of texts")
        labels: dict[str, str] = {}
        for key, value in raw.items():
            if not NAME.fullmatch(key):
                self._report(
                    (*place, key),
                    "a label's name begins with a letter or digit and has letters, digits, dots, dashes and underscores "
                    "only, 63 at the most",
                    None,
                )
            elif key in RESERVED:
                self._report((*place, key), f"{key} is a word of the selector language", None)
            elif not isinstance(value, str):
                self._wrong((*place, key), value, "a text")
            else:
                labels[key] = value
        return labels

    def _url(self, raw: object, place: tuple[str, ...]) -> Any:
        if not isinstance(raw, str):
            return self._wrong(place, raw, "an address such as https://host/arcgis")
        plain = _PLAIN_ADDRESS.fullmatch(raw)
        if plain is not None:
            scheme, host, port, path = plain.groups()
            named = not host[-1].isdigit() and "0x" not in host.lower()
            if (named or _LOOPBACK.fullmatch(host)) and int(port or 1) < 65_536:
                return self._site_address(scheme, host if port is None else f"{host}:{port}", path, place)
        mistake = self._address_mistake(raw)
        if mistake is not None:
            self._report(place, mistake, None)
            return MISSING
        parts = urlsplit(raw)
        return self._site_address(parts.scheme, parts.netloc, parts.path.rstrip("/"), place)

    def _site_address(self, scheme: str, netloc: str, path: str, place: tuple[str, ...]) -> Any:
        """The address in the one spelling by which sites are told apart: lower case, and no port where it is the usual."""
        scheme, netloc = scheme.lower(), netloc.lower()
        context, *below = path.split("/")[1:] or [""]
        if not BELOW_CONTEXT.isdisjoint(map(str.lower, (context, *below))):
            self._report(place, f"give the address of the site alone, without what follows it: …/{context}", None)
            return MISSING
        return f"{scheme}://{netloc.removesuffix(':443' if scheme == 'https' else ':80')}{path}"

    def _address_mistake(self, raw: str) -> str | None:
        try:
            parts = urlsplit(raw)
            host, _ = parts.hostname, parts.port
        except ValueError:
            return "this is no address: host or port can't be read"
        if parts.scheme.lower() not in ("http", "https") or not host:
            return "an address begins with https:// (or http://) and a host"
        if "@" in parts.netloc:
            return "an address holds no account; use username and password"
        if parts.query or parts.fragment or "?" in raw or "#" in raw:
            return "an address of a site has no ? and no #"
        if not _PRINTABLE.fullmatch(raw):
            return "an address has ASCII characters only, and no blanks"
        if "//" in parts.path or any(unquote(part) in (".", "..") for part in parts.path.split("/")):
            return "the path of an address has no empty part and no dots"
        if parts.port == 0:
            return "there is no port 0"
        return _host_mistake(host.rstrip("."))

    def _proxy(self, raw: object, place: tuple[str, ...]) -> Any:
        if isinstance(raw, str):
            url = self._proxy_url(raw, place)
            return url if url is MISSING else Proxy(url=url)
        if not isinstance(raw, dict):
            return self._wrong(place, raw, "an address such as http://proxy:3128, or a table with url")
        values = self.read(raw, place, PROXY_KEYS)
        if len(values) != len(raw):
            return MISSING
        values.pop("allow_plaintext", None)
        if "url" not in values or ("username" in values) is not ("password" in values):
            self._report(place, "a proxy needs its url, and an account both username and password", None)
            return MISSING
        if ":" in values.get("username", ""):
            self._report((*place, "username"), "the name of an account at a proxy has no colon", None)
            return MISSING
        password: CredentialRef | None = values.get("password")
        if password is not None and password.kind == "keyring" and password.user is None:
            values["password"] = replace(password, user=values["username"])
        return Proxy(**values)

    def _proxy_url(self, raw: object, place: tuple[str, ...]) -> Any:
        if not isinstance(raw, str):
            return self._wrong(place, raw, "an address such as http://proxy:3128")
        mistake = self._address_mistake(raw)
        if mistake is not None and "@" in raw:
            mistake = 'an address holds no account: write { url = …, username = …, password = { env = "…" } }'
        elif mistake is None and raw.lower().startswith("https:"):
            mistake = "a proxy is spoken to over http://; what goes to an https:// site is encrypted within"
        elif mistake is None and urlsplit(raw).path.strip("/"):
            mistake = "the address of a proxy ends with its port"
        if mistake is not None:
            self._report(place, mistake, None)
            return MISSING
        return raw.rstrip("/")

    def _path(self, raw: object, place: tuple[str, ...]) -> Any:
        if not isinstance(raw, str) or not raw or "\x00" in raw:
            return self._wrong(place, raw, "the path of a file")
        return self._folder / _expanded(raw)

    def _pin(self, raw: object, place: tuple[str, ...]) -> Any:
        text = raw.lower().replace(":", "") if isinstance(raw, str) else ""
        if not re.fullmatch(r"sha256[0-9a-f]{64}", text):
            return self._wrong(place, raw, '"sha256:" and 64 hexadecimal digits')
        return f"sha256:{text[6:]}"

    def _one_of(self, raw: object, place: tuple[str, ...], words: tuple[str, ...]) -> Any:
        if raw in words:
            return raw
        hint = nearest(raw, words) if isinstance(raw, str) else None
        self._report(place, f"this must be one of {', '.join(words)}", hint)
        return MISSING

    def _auth_kind(self, raw: object, place: tuple[str, ...]) -> Any:
        return self._one_of(raw, place, ("server", "portal", "oauth", "token"))

    def _binding(self, raw: object, place: tuple[str, ...]) -> Any:
        return self._one_of(raw, place, ("referer", "requestip", "ip"))

    def _severity(self, raw: object, place: tuple[str, ...]) -> Any:
        return self._one_of(raw, place, ("warning", "critical"))

    def _address(self, raw: object, place: tuple[str, ...]) -> Any:
        try:
            return str(ipaddress.ip_address(str(raw)))
        except ValueError:
            return self._wrong(place, raw, "an IP address")

    def _threshold(self, raw: object, place: tuple[str, ...]) -> Any:
        if isinstance(raw, str):
            try:
                # Time is counted in days by every check that counts time.
                return parse_duration(raw) / 86_400
            except ValueError:
                pass
        if not isinstance(raw, int | float) or isinstance(raw, bool) or raw != raw or raw < 0:
            return self._wrong(place, raw, "a number, or a duration in quotes")
        return float(raw)

    def _auth(self, raw: object, place: tuple[str, ...]) -> Any:
        before = len(raw) if isinstance(raw, dict) else -1
        values = self.read(raw, place, AUTH_KEYS)
        if len(values) != before:
            return MISSING
        values.pop("allow_plaintext", None)
        auth = Auth(**values)
        wanted = {
            "portal": ("portal",),
            "oauth": ("portal", "client_id", "client_secret"),
            "token": ("token",),
            "server": (),
        }[auth.kind]
        secret = auth.client_secret
        if secret is not None and secret.kind == "keyring" and secret.user is None:
            auth = replace(auth, client_secret=replace(secret, user=auth.client_id))
        missing = [key for key in wanted if getattr(auth, key) is None]
        if missing:
            self._report(place, f'kind = "{auth.kind}" also needs {" and ".join(missing)}', None)
            return MISSING
        if auth.client == "ip" and auth.ip is None:
            self._report(place, 'client = "ip" also needs ip', None)
            return MISSING
        if auth.kind != "server" and auth.client != "referer":
            why = "is already bound" if auth.kind == "token" else "is bound to the referer only"
            self._report(place, f'client goes with kind = "server": a token of kind = "{auth.kind}" {why}', None)
            return MISSING
        return auth

    def _tls(self, raw: object, place: tuple[str, ...]) -> Any:
        before = len(raw) if isinstance(raw, dict) else -1
        values = self.read(raw, place, TLS_KEYS)
        if len(values) != before:
            return MISSING
        values.pop("allow_plaintext", None)
        tls = Tls(**values)
        if tls.pin is not None and not tls.verify:
            self._report(place, "verify = false accepts every certificate, and the pin only one", None)
            return MISSING
        if tls.cert is None and (tls.key is not None or tls.key_password is not None):
            self._report(place, "a key, or its password, needs the cert that it belongs to", None)
            return MISSING
        return tls

    def _checks(self, raw: object, place: tuple[str, ...]) -> Any:
        if not isinstance(raw, dict):
            return self._wrong(place, raw, "a table of checks")
        known = check_names()
        for name in raw:
            if known and name not in known:
                self._report((*place, name), "there is no health check of this name", nearest(name, known))
        return {name: CheckSettings(**self.read(table, (*place, name), CHECK_KEYS)) for name, table in raw.items()}

    def _secret(self, raw: object, place: tuple[str, ...], plaintext: bool) -> Any:
        if isinstance(raw, str):
            if not plaintext:
                self._report(
                    place,
                    "a secret is not written here in clear: name where it lies, as in "
                    '{ env = "NAME" }, { file = "PATH" }, { keyring = "SERVICE" } or { command = ["…"] }',
                    None,
                )
                return MISSING
            return CredentialRef(kind="plain", plain=Secret(raw))
        if not isinstance(raw, dict):
            return self._wrong(place, raw, 'a reference such as { env = "NAME" }')
        unknown = [key for key in raw if key not in (*SECRET_KINDS, "user")]
        for key in unknown:
            self._report((*place, key), "unknown key", nearest(key, (*SECRET_KINDS, "user")))
        kinds = [key for key in raw if key in SECRET_KINDS]
        if unknown or len(kinds) != 1 or ("user" in raw and kinds != ["keyring"]):
            if not unknown:
                self._report(
                    place,
                    "a secret has exactly one of env, file, keyring, command (and user with keyring)",
                    None,
                )
            return MISSING
        kind, value = kinds[0], raw[kinds[0]]
        if kind == "command":
            if not isinstance(value, list) or not value or not all(map(_is_argument, value)):
                return self._wrong(
                    (*place, kind),
                    value,
                    'a list of arguments, such as ["pass", "gis/oslo"]',
                )
            program = value[0]
            if "/" in program or os.sep in program:
                # As every other path it is relative to the file that names it, never to where fleet was started.
                program = str(self._folder.absolute() / _expanded(program))
            return CredentialRef(kind="command", arguments=(program, *value[1:]), refusal=self._command_refusal)
        if not isinstance(value, str) or not value or "\x00" in value:
            return self._wrong((*place, kind), value, "a text")
        if kind == "file":
            return CredentialRef(kind="file", where=str(self._folder / _expanded(value)))
        user = raw.get("user")
        if user is not None and not isinstance(user, str):
            return self._wrong((*place, "user"), user, "a text")
        return CredentialRef(kind="env" if kind == "env" else "keyring", where=value, user=user)


def _kind(value: object) -> str:
    """What *value* is, without showing it: it may be a secret."""
    match value:
        case bool():
            return "true or false"
        case str():
            return "a text" if value else "an empty text"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or time"


def _expanded(path: str) -> Path:
    """*path* with its `~`; one of an unknown user stays as it is, and is then not found."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def _is_argument(value: object) -> bool:
    return isinstance(value, str) and bool(value) and "\x00" not in value


SHARED_KEYS: Mapping[str, str] = {
    "username": "text",
    "password": "secret",
    "timeout": "duration",
    "auth": "auth",
    "tls": "tls",
    "labels": "labels",
    "protected": "flag",
    "allow_http": "flag",
    "allow_plaintext": "flag",
    "proxy": "proxy",
    "reads": "reads",
    "retries": "retries",
    "checks": "checks",
}
GROUP_KEYS: Mapping[str, str] = {"groups": "names", **SHARED_KEYS}
SITE_KEYS: Mapping[str, str] = {"url": "url", "groups": "names", **SHARED_KEYS}
AUTH_KEYS: Mapping[str, str] = {
    "kind": "auth_kind",
    "portal": "url",
    "client_id": "text",
    "client_secret": "secret",
    "token": "secret",
    "exchange": "flag",
    "client": "binding",
    "ip": "address",
    "allow_plaintext": "flag",
}
TLS_KEYS: Mapping[str, str] = {
    "ca": "path",
    "pin": "pin",
    "verify": "flag",
    "cert": "path",
    "key": "path",
    "key_password": "secret",
    "allow_plaintext": "flag",
}
PROXY_KEYS: Mapping[str, str] = {
    "url": "proxy_url",
    "username": "text",
    "password": "secret",
    "allow_plaintext": "flag",
}
CHECK_KEYS: Mapping[str, str] = {
    "warning": "threshold",
    "critical": "threshold",
    "severity": "severity",
    "enabled": "flag",
}
