"""The state database as PostgreSQL, for several operators: connected, migrated, and its errors in words without secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import unquote, urlsplit

from fleet.errors import StoreFailed, UsageError
from fleet.history.database import URL_VARIABLE, Row
from fleet.history.migrations import NEWEST, Dialect, statements

if TYPE_CHECKING:
    import psycopg

__all__ = ["Postgres", "PostgresConnection"]

SCHEMES = ("postgresql", "postgres")

MIGRATING = 0x666C6565
"""The number of the advisory lock under which the shape of the database is changed; the same for every version."""

SETTINGS = {"connect_timeout": "10", "keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3"}
"""Given to libpq unless the address says otherwise: a server that is gone is noticed in less than half a minute."""

SESSION = "set lock_timeout = '10s'", "set statement_timeout = '60s'", "set timezone = 'UTC'"


class Postgres:
    """The database at *url*, `postgresql://USER@HOST:PORT/NAME`.

    Whatever the address leaves out libpq finds as it always does: `PGPASSWORD`, `~/.pgpass`, `PGSSLMODE` and so on.
    Raises `UsageError` for an address that is none.
    """

    dialect: Dialect = "postgresql"

    def __init__(self, url: str) -> None:
        self._url = url
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
            secret = parts.password
        except ValueError:
            raise UsageError(f"{URL_VARIABLE} is no address of a database: postgresql://USER@HOST:PORT/NAME") from None
        if parts.scheme not in SCHEMES:
            raise UsageError(f"{URL_VARIABLE} must be like postgresql://USER@HOST:PORT/NAME, of PostgreSQL")
        self.where = f"{host or 'localhost'}{f':{port}' if port else ''}/{parts.path.lstrip('/')}"
        found = {secret, unquote(secret)} if secret else set()
        self._secrets = sorted(found, key=len, reverse=True)

    def exists(self) -> bool:
        """Nothing is known of it without connecting."""
        return True

    def connect(self, *, durable: bool = True) -> PostgresConnection:
        """A connection to it, migrated where that is needed; raises `StoreFailed`, and `UsageError` without the extra."""
        try:
            import psycopg
        except ImportError:
            raise UsageError(
                f"{URL_VARIABLE} names PostgreSQL, which needs an extra: pip install 'arcgis-fleet[postgres]'"
            ) from None
        try:
            given = psycopg.conninfo.conninfo_to_dict(self._url)
        except psycopg.Error:
            # What libpq has against an address may be a part of the password.
            raise UsageError(
                f"{URL_VARIABLE} is no address of a database; letters such as / : @ % in a password are written as "
                "%2F %3A %40 %25"
            ) from None
        told = {**SETTINGS, "application_name": "fleet", **{key: str(value) for key, value in given.items()}}
        with self._explained():
            connection = psycopg.connect(psycopg.conninfo.make_conninfo(**told), autocommit=True)
        try:
            with self._explained():
                for setting in (*SESSION, f"set synchronous_commit = {'on' if durable else 'off'}"):
                    connection.execute(setting)
                made = PostgresConnection(connection, self._explained)
                made.migrate(self.where)
        except BaseException:
            connection.close()
            raise
        return made

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Whatever goes wrong inside comes out as `StoreFailed`, without the password."""
        import psycopg

        try:
            yield
        except (psycopg.Error, OSError, UnicodeError) as error:
            raise StoreFailed(f"{self.where}: {self._reason(error)}") from None

    def _reason(self, error: Exception) -> str:
        diagnostic = getattr(error, "diag", None)
        state = getattr(error, "sqlstate", None)
        match state:
            case "53100":
                return "its disk is full"
            case "55P03" | "57014":
                return "another program holds it"
        told = getattr(diagnostic, "message_primary", None) or str(error) or type(error).__name__
        text = " ".join("".join(char if char.isprintable() else " " for char in told).split())
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text[:300]


class PostgresConnection:
    """A connection to PostgreSQL that is open."""

    dialect: Dialect = "postgresql"

    def __init__(self, connection: psycopg.Connection[Row], explained: Callable[[], Any]) -> None:
        self._connection = connection
        self._explained = explained

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; a second time is nothing."""
        self._connection.close()

    def now(self) -> float:
        """Epoch seconds by the server's clock."""
        ((now,),) = self.execute("select extract(epoch from clock_timestamp())::double precision")
        return float(now)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        with self._explained():
            cursor = self._connection.execute(cast("Any", _translated(sql)), tuple(parameters))
            return [] if cursor.description is None else cursor.fetchall()

    def change(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        with self._explained():
            return self._connection.execute(cast("Any", _translated(sql)), tuple(parameters)).rowcount

    def execute_many(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        with self._explained(), self._connection.cursor() as cursor:
            cursor.executemany(cast("Any", _translated(sql)), parameters)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._explained(), self._connection.transaction():
            yield

    def migrate(self, where: str) -> None:
        """Bring the database into the newest shape; raises `StoreFailed` where a newer fleet has been there."""
        if self._version(where) == NEWEST:
            return
        with self.transaction():
            self.execute("select pg_advisory_xact_lock(?)", (MIGRATING,))
            self.execute("create table if not exists fleet_schema (version bigint not null)")
            version = self._version(where)
            for step in range(version, NEWEST):
                for statement in statements(step, "postgresql"):
                    self.execute(statement)
            if not self.change("update fleet_schema set version = ?", (NEWEST,)):
                self.execute("insert into fleet_schema (version) values (?)", (NEWEST,))

    def _version(self, where: str) -> int:
        ((there,),) = self.execute("select to_regclass('fleet_schema') is not null")
        found = self.execute("select version from fleet_schema") if there else []
        version = int(found[0][0]) if found else 0
        if version > NEWEST:
            raise StoreFailed(f"{where}: it was made by a newer version of fleet")
        return version


@lru_cache(maxsize=256)
def _translated(sql: str) -> str:
    """*sql* with parameters as psycopg has them; no text of ours holds a question mark otherwise."""
    return sql.replace("%", "%%").replace("?", "%s")
