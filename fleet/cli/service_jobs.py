"""`fleet services jobs`: jobs of geoprocessing services."""

from __future__ import annotations

import click

from fleet.cli.changing import Consent, change_options, none_fits, run_verb
from fleet.cli.common import Common, output_option, run_options
from fleet.cli.listing import condition, where_option
from fleet.cli.service_options import list_services, patterns_of, services_argument, services_needed
from fleet.errors import UsageError

__all__ = ["jobs"]


@click.group(name="jobs")
def jobs() -> None:
    """Jobs of geoprocessing services, on sites of release 10.6.1 and later.

    \b
    fleet services jobs list --where jobStatus=esriJobExecuting -s prod
    """


@jobs.command(name="list")
@services_argument
@where_option
@output_option()
@run_options
def list_(common: Common, services: tuple[str, ...], where: str | None) -> int:
    """Jobs that run, wait, and have ended.

    \b
    fleet services jobs list 'Tools/*' --where jobStatus=esriJobFailed --sort -submittedTime
    """
    from fleet.rows.jobs import JOBS

    shown = ("service", "jobId", "jobStatus", "userName", "machineName", "submittedTime", "endTime")
    return list_services(common, JOBS, name="services jobs list", services=services, where=where, shown=shown)


@jobs.command(name="cancel")
@services_needed
@click.option("--job", "ids", multiple=True, metavar="ID", help="Only this job (repeatable).")
@where_option
@change_options
def cancel(common: Common, consent: Consent, services: tuple[str, ...], ids: tuple[str, ...], where: str | None) -> int:
    """Cancel jobs that wait or run: those that --job names, or that fit --where.

    \b
    fleet services jobs cancel Tools/Export.GPServer --job j1a2b -s oslo
    fleet services jobs cancel 'Tools/*' --where 'jobStatus=esriJobExecuting and userName=batch' -s prod
    """
    from fleet.bulk.jobs import CancelJobs
    from fleet.rows.jobs import JOBS

    if not ids and where is None:
        raise UsageError("which jobs? give --job or --where; every job that waits is cancelled by `jobs purge`")
    verb = CancelJobs(patterns_of(services), ids, condition(where, JOBS.names))
    none = none_fits("job", ids) if ids else None
    return run_verb(common, consent, verb, none=none)


@jobs.command(name="purge")
@services_needed
@change_options
def purge(common: Common, consent: Consent, services: tuple[str, ...]) -> int:
    """Cancel every job that waits; those that run are left.

    \b
    fleet services jobs purge Tools/Export.GPServer -s oslo
    """
    from fleet.bulk.jobs import PurgeJobs

    return run_verb(common, consent, PurgeJobs(patterns_of(services)))
