"""Reading a site in several calls at once, and lists in answers that must be lists."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import anyio

from fleet.errors import BadAnswer, SiteError, TooLarge

__all__ = ["NAME_CAP", "all_of", "each", "list_of"]

T = TypeVar("T")

NAME_CAP = 50_000
"""Names of one list that are kept; a longer one is refused."""


async def each(asks: Sequence[Callable[[], Awaitable[T]]]) -> list[T | SiteError]:
    """What all of *asks*, made at once, came to: values and errors, in order."""
    results: list[Any] = [None] * len(asks)

    async def one(place: int) -> None:
        try:
            results[place] = await asks[place]()
        except SiteError as error:
            results[place] = error

    async with anyio.create_task_group() as group:
        for place in range(len(asks)):
            group.start_soon(one, place)
    return results


def all_of(results: Sequence[T | SiteError]) -> list[T]:
    """The values of *results*; raises the first error among them."""
    for result in results:
        if isinstance(result, SiteError):
            raise result
    return [result for result in results if not isinstance(result, SiteError)]


def list_of(answer: Mapping[str, Any], member: str, cap: int = NAME_CAP) -> list[Any]:
    """The list *member* of *answer*; raises `BadAnswer` where it is none, `TooLarge` beyond *cap* entries."""
    value = answer.get(member)
    if not isinstance(value, list):
        raise BadAnswer(f"the list of {member} is missing in the answer")
    if len(value) > cap:
        raise TooLarge(f"the answer lists {len(value)} {member}, and {cap} are looked at")
    return value
