"""Log records of many sites: merged by time, followed, and counted."""

from fleet.admin.log_pages import LEVELS, LogQuery
from fleet.logs.merged import MergedLogs, merged_logs
from fleet.logs.rows import as_row

__all__ = ["LEVELS", "LogQuery", "MergedLogs", "as_row", "merged_logs"]
