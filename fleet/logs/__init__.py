"""Log records of many sites: merged by time, followed, and counted."""

from fleet.admin.log_pages import LEVELS, LogQuery
from fleet.logs.following import FollowedLogs, follow_logs
from fleet.logs.merged import MergedLogs, merged_logs
from fleet.logs.rows import as_row
from fleet.logs.top import top_of_logs

__all__ = [
    "LEVELS",
    "FollowedLogs",
    "LogQuery",
    "MergedLogs",
    "as_row",
    "follow_logs",
    "merged_logs",
    "top_of_logs",
]
