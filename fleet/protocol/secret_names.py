"""Which members and parameters of the API hold secrets, told by how their names end, and what is shown for one."""

from __future__ import annotations

import re

__all__ = ["MASK", "SECRET_ENDING", "is_secret_name"]

MASK = "***"
"""What stands in the place of a secret wherever one is shown."""

SECRET_ENDING = (
    r"(?:password|passwd|passphrase|pwd|secret(?:_?key)?|token|shared_?key|trust_?key|private_?key|account_?key|access_?key|"
    r"credentials?)"
)
"""A pattern of the endings, without regard to case: `newPassword`, `client_secret`, `webgisServerTrustKey`."""

_SECRET_NAME = re.compile(rf".*{SECRET_ENDING}", re.IGNORECASE | re.DOTALL)


def is_secret_name(name: str) -> bool:
    """Whether what is called *name* is a secret; `tokenServicesUrl` is none."""
    return _SECRET_NAME.fullmatch(name) is not None
