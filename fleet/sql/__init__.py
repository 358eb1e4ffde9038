"""SQL over the fleet: what many sites have as tables, fetched live where a query names them."""

from fleet.sql.asking import Answered, ask
from fleet.sql.schema import schema_rows, table_names

__all__ = ["Answered", "ask", "schema_rows", "table_names"]
