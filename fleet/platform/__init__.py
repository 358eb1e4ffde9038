"""The few things that each operating system does in its own way; the right twin is chosen here."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from fleet.platform.windows import (
        HANGUP_SIGNALS,
        TERMINATION_SIGNALS,
        descriptor_limit,
        is_private,
        kill_family,
        lasting_clock,
        only_owner_can_write,
        open_private,
        raise_descriptor_limit,
        secure_folder,
        sync_folder,
        try_lock,
    )
else:
    from fleet.platform.posix import (
        HANGUP_SIGNALS,
        TERMINATION_SIGNALS,
        descriptor_limit,
        is_private,
        kill_family,
        lasting_clock,
        only_owner_can_write,
        open_private,
        raise_descriptor_limit,
        secure_folder,
        sync_folder,
        try_lock,
    )

__all__ = [
    "HANGUP_SIGNALS",
    "TERMINATION_SIGNALS",
    "descriptor_limit",
    "is_private",
    "kill_family",
    "lasting_clock",
    "only_owner_can_write",
    "open_private",
    "raise_descriptor_limit",
    "secure_folder",
    "sync_folder",
    "try_lock",
]
