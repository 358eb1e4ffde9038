"""The Administrator API as operations that are values, without any I/O."""

from fleet.admin import data, info, logs, machines, security, services, site, system, uploads, usage

__all__ = ["data", "info", "logs", "machines", "security", "services", "site", "system", "uploads", "usage"]
