"""JMESPath expressions, compiled once and applied to every value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleet.errors import UsageError

__all__ = ["compile_query"]


def compile_query(text: str) -> Callable[[Any], Any]:
    """A function that applies the JMESPath expression *text*; it raises `ValueError` where a value does not fit.

    Raises `UsageError` with the place of the mistake for an expression that can't be read.
    """
    import jmespath
    import jmespath.exceptions

    try:
        expression = jmespath.compile(text)
    except (jmespath.exceptions.JMESPathError, RecursionError) as error:
        position = getattr(error, "lex_position", None)
        place = "" if position is None else f" near column {position + 1}"
        raise UsageError(f"the query {text!r} is no JMESPath expression{place}") from None

    def apply(value: Any) -> Any:
        try:
            return expression.search(value)
        except (jmespath.exceptions.JMESPathError, ArithmeticError, TypeError, RecursionError) as error:
            raise ValueError(" ".join(str(error).split())[:200]) from None

    return apply
