"""The command line as the application itself describes it: words, options, an example, exit codes."""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import typer

from pages.blocks import escaped, filled, table
from pipelines.cli.main import build

_EXAMPLE = re.compile(r"Example: (?P<words>.+)$", re.MULTILINE)
_CODES = re.compile(r"^Exit codes: (?P<codes>.+)", re.DOTALL)
_WORDS = {int: "number", float: "number", str: "text", Path: "path"}


@dataclass(frozen=True)
class Command:
    """One command: its words, typer's own object, and its docstring taken apart."""

    words: str
    command: Any
    text: tuple[str, ...]
    example: str
    codes: str


def commands() -> str:
    """Every command of `pulseiq`, in the order of its help."""
    parts = []
    for each in every():
        parts += [f"### `{each.words}`", *each.text]
        if rows := list(_rows(each)):
            parts.append(table(("argument or option", "value", "default", "meaning"), rows))
        parts += [f"```sh\n{each.example}\n```", filled(f"Exit codes: {each.codes}")]
    return "\n\n".join(parts)


def every() -> Iterator[Command]:
    """The commands, groups opened."""
    yield from _below(typer.main.get_command(build()), "pulseiq")


def _below(group: Any, words: str) -> Iterator[Command]:
    for name, each in group.commands.items():
        path = f"{words} {name}"
        if hasattr(each, "commands"):
            yield from _below(each, path)
        elif not each.hidden:
            yield _taken_apart(path, each)


def _taken_apart(words: str, command: Any) -> Command:
    text = inspect.cleandoc(command.help or "")
    example = _EXAMPLE.search(text)
    if example is None:
        raise KeyError(f"the docstring of `{words}` has no 'Example: ...'")
    shown, codes = [], "0, or one of [every command's](#exit-codes)."
    for paragraph in _EXAMPLE.sub("", text).split("\n\n"):
        found = _CODES.match(paragraph.strip())
        if found is not None:
            codes = " ".join(found["codes"].split())
        elif paragraph.startswith("    "):
            shown.append(f"```sh\n{inspect.cleandoc(paragraph)}\n```")
        elif paragraph.strip():
            shown.append(filled(paragraph))
    return Command(words, command, tuple(shown), example["words"].strip(), codes)


def _rows(each: Command) -> Iterator[tuple[str, str, str, str]]:
    kinds = get_type_hints(each.command.callback)
    for given in each.command.params:
        names = [*given.opts, *given.secondary_opts]
        argument = not given.opts[0].startswith("--")
        shown = (given.metavar or given.name).upper().rstrip("_") if argument else "`, `".join(names)
        help_ = escaped(given.help or "")
        yield f"`{shown}`", "" if _is_flag(given) else _value(kinds[given.name]), _default(given), help_


def _is_flag(given: Any) -> bool:
    return bool(getattr(given, "is_flag", False))


def _value(kind: Any) -> str:
    """What may be written: choices by name, else the sort of value."""
    if get_origin(kind) in (Union, UnionType):
        kind = next(each for each in get_args(kind) if each is not type(None))
    if get_origin(kind) is Literal:
        return ", ".join(f"`{each}`" for each in get_args(kind))
    if get_origin(kind) is list:
        return f"{_value(get_args(kind)[0])}, may be repeated"
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return ", ".join(f"`{each.value}`" for each in kind)
    return _WORDS[kind]


def _default(given: Any) -> str:
    if given.required:
        return "required"
    value = given.default.value if isinstance(given.default, enum.Enum) else given.default
    if isinstance(value, bool):
        off_name = given.secondary_opts and not value
        return f"`{given.secondary_opts[0] if off_name else given.opts[0]}`" if given.secondary_opts else ""
    return "" if value is None or value == "" else f"`{value}`"
