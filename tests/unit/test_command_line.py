"""What holds for every command: its help is whole sentences, and an option of one name is one thing."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import click
import pytest

from fleet.cli.main import COMMANDS


def walk(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for part in command.commands:
            yield from walk(f"{name} {part}", command.commands[part])


EVERY = {
    name: command for group in COMMANDS for name, command in walk(group, import_module(COMMANDS[group][0]).command)
}


def options(command: click.Command) -> list[click.Option]:
    return [one for one in command.params if isinstance(one, click.Option)]


def test_all_commands_are_walked() -> None:
    assert len(EVERY) > 100
    assert {"health", "services permissions add", "system web-adaptors config"} <= EVERY.keys()


@pytest.mark.parametrize("name", EVERY)
def test_help_is_sentences(name: str) -> None:
    command = EVERY[name]
    first = (command.help or "").strip().split("\n\n")[0]
    assert first[:1].isupper()
    assert first.endswith((".", ":"))
    for option in options(command):
        told = option.help or ""
        assert told[:1].isupper() or told.startswith("-"), option.opts
        assert told.endswith((".", ")")), option.opts


def test_a_flag_of_one_name_is_a_flag_in_every_command() -> None:
    kinds: dict[str, set[bool]] = {}
    for command in EVERY.values():
        for option in options(command):
            for name in option.opts:
                kinds.setdefault(name, set()).add(option.is_flag)
    assert {name for name, found in kinds.items() if len(found) > 1} == set()


def test_a_secret_is_never_the_value_of_an_option() -> None:
    for name, command in EVERY.items():
        for option in options(command):
            for spelling in option.opts:
                if any(word in spelling for word in ("password", "secret", "key")) and not option.is_flag:
                    assert spelling.endswith(("-from", "-out", "-size")), f"{name} {spelling}"
