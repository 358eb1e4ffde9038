"""The log on standard error: structured events of every call, with every live secret masked last."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, TextIO

from fleet.client.calls import LOGIN, CallEvent, CallWatch
from fleet.render.clean import one_line

__all__ = ["configure", "watch_calls"]

LEVELS = {0: 30, 1: 20}


def configure(verbose: int, form: str, masked: Callable[[str], str], stream: TextIO) -> Any:
    """A logger for -v (one event per operation and site) or -vv (also one per attempt), in the *form* console or json."""
    import structlog

    def clean(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for key, value in event.items():
            if isinstance(value, str):
                # Two nets: secrets are not put into events in the first place, and what slips through is masked here.
                event[key] = one_line(masked(value), 500)
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
        logger_factory=structlog.PrintLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    return structlog.get_logger()


def watch_calls(log: Any) -> CallWatch:
    """What writes an event for every call that ends (`operation.answered`, `operation.failed`) and for every attempt.

    All have `site`, `operation`, `request` (one name for all attempts of a call), `attempts` or `attempt`, and
    `seconds`; a failure also has `kind`, `error`, and `code` where the site gave one.
    """

    def watch(event: CallEvent) -> None:
        fields: dict[str, Any] = {"site": event.site, "operation": event.operation, "request": event.request}
        fields["attempts" if event.ended else "attempt"] = event.attempt
        fields["seconds"] = round(event.seconds, 3)
        what = "operation" if event.ended else "attempt"
        write = log.info if event.ended else log.debug
        error = event.error
        if error is None:
            write(f"{what}.answered", **fields)
            return
        code = {} if error.code is None else {"code": error.code}
        if event.ended and event.operation != LOGIN:
            # A login that failed is told by the operation that wanted it.
            write = log.warning
        elif event.ended:
            write = log.debug
        write(f"{what}.failed", **fields, kind=error.kind, **code, error=error.message)

    return watch
