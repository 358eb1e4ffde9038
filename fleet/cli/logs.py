"""The log on standard error: structured events, one per attempt or outcome, with every live secret masked last."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import quote

from fleet.inventory.secrets import Secret
from fleet.render.clean import one_line

__all__ = ["configure", "mask"]

MASK = "***"
LEVELS = {0: 30, 1: 20}


def configure(verbose: int, form: str, secrets: Callable[[], Iterable[Secret]]) -> Any:
    """A logger for -v (one event per site) or -vv (one per attempt), in the *form* console or json."""
    import structlog

    def clean(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        live = list(secrets())
        for key, value in event.items():
            if isinstance(value, str):
                # Two nets: secrets are not put into events in the first place, and what slips through is masked here.
                event[key] = one_line(mask(value, live), 500)
        return event

    renderer = (
        structlog.processors.JSONRenderer(ensure_ascii=True)
        if form == "json"
        else structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event", "site"], drop_missing=True)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            clean,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS.get(verbose, 10)),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    return structlog.get_logger()


def mask(text: str, secrets: Iterable[Secret]) -> str:
    """*text* with every one of *secrets* masked, also as it looks in an address, in JSON, or in base64."""
    for secret in secrets:
        plain = secret.reveal()
        if len(plain) < 4:
            continue
        encoded = base64.b64encode(plain.encode()).decode()
        for form in (plain, quote(plain, safe=""), plain.replace("\\", "\\\\").replace('"', '\\"'), encoded):
            text = text.replace(form, MASK)
    return text
