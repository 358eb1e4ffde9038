"""JMESPath expressions, compiled once and applied to every value."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from typing import Any

from fleet.errors import UsageError

__all__ = ["compile_query"]


def compile_query(text: str) -> Callable[[Any], Any]:
    """A function that applies the JMESPath expression *text*; it raises `ValueError` where a value does not fit.

    Raises `UsageError` for an expression that can't be read, with the place of the mistake, and for a function that
    there is none of, or that takes another number of arguments: no value could fit those.
    """
    import jmespath
    import jmespath.exceptions
    from jmespath.functions import Functions

    try:
        expression = jmespath.compile(text)
    except (jmespath.exceptions.JMESPathError, RecursionError) as error:
        position = getattr(error, "lex_position", None)
        place = "" if position is None else f" near column {position + 1}"
        raise UsageError(f"the query {text!r} is no JMESPath expression{place}") from None
    _check_functions(expression.parsed, Functions.FUNCTION_TABLE)

    def apply(value: Any) -> Any:
        try:
            found = expression.search(value)
        except (jmespath.exceptions.JMESPathError, ArithmeticError, TypeError, RecursionError) as error:
            raise ValueError(" ".join(str(error).split())[:200]) from None
        if not _is_json(found):
            raise ValueError("the result holds a number that is not finite")
        return found

    return apply


def _check_functions(node: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise `UsageError` for a call in the tree *node* that can't succeed whatever the value is."""
    if node["type"] == "function_expression":
        name, given = node["value"], len(node["children"])
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}()?" if near else ""
            raise UsageError(f"the query calls {name}(), and JMESPath has no such function{hint}")
        signature = known[name]["signature"]
        variadic = bool(signature) and bool(signature[-1].get("variadic"))
        if given != len(signature) and not (variadic and given > len(signature)):
            least = "at least " if variadic else ""
            raise UsageError(f"the query gives {name}() {given} arguments, and it takes {least}{len(signature)}")
    for child in node["children"]:
        if isinstance(child, dict):
            _check_functions(child, known)


def _is_json(value: Any) -> bool:
    """Whether *value* can be written as JSON; `to_number('inf')` can't."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list):
        return all(map(_is_json, value))
    if isinstance(value, dict):
        return all(map(_is_json, value.values()))
    return True
