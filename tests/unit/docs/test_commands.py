"""Every command that a page shows exists and parses; `tests/integration/cookbook` runs those of the cookbook."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from pipelines.cli.main import build
from tests.documented import COOKBOOK, ROOT, Shown, commands, pages

# First words of lines in blocks that are the system's own, and that nothing here can prove.
NOT_OURS = {
    "sudo": "apt and the clock of the system",
    "cp": "a file is copied",
    "set": "the shell's own",
    ".": "the shell's own",
    "export": "the shell's own",
    "git": "a work tree of an earlier commit",
    "curl": "what it asks is tested in tests/unit/api",
    "docker": "what it starts is tested by make compose-test",
}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
_PLACE = re.compile(r"[A-Z][A-Z_]*(\.\w+)?")


def faults(shown: Shown) -> list[str]:
    """What is wrong with one command; nothing where it exists and parses."""
    first, rest = shown.words[0], list(shown.words[1:])
    known = set(re.findall(r"^#?(\w+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), flags=re.MULTILINE))
    unknown = [each for each in shown.given if each.split("=")[0] not in known]
    found = [f"{each}: PulseIQ reads no such variable" for each in unknown]
    if first == "pulseiq":
        found += _pulseiq(rest, mention=not shown.in_block)
    elif first == "make":
        found += _make(rest)
    elif shown.words[:2] == ("python", "-m"):
        found += _module(rest[1], rest[2:])
    elif first.startswith("scripts/"):
        found += _script(first, rest)
    elif first not in NOT_OURS:
        found.append(f"nobody knows '{first}'")
    return found


def _pulseiq(words: list[str], *, mention: bool) -> Iterator[str]:
    # The way a synopsis is written, and places that a person fills in, which may be numbers.
    words = [re.sub(r"^\[|\]$", "", each) for each in words]
    words = ["1" if _PLACE.fullmatch(each) else each for each in words if each != "--help"]
    command: Any = typer.main.get_command(build())
    while words and hasattr(command, "commands") and words[0] != "1":
        if words[0] not in command.commands:
            yield f"there is no '{words[0]}' among {', '.join(command.commands)}"
            return
        command = command.commands[words.pop(0)]
    if hasattr(command, "commands") or (mention and not any(not each.startswith("-") for each in words)):
        # Spoken of, not shown whole: its options exist, whatever else it would need.
        options = {name for given in command.params for name in (*given.opts, *given.secondary_opts)}
        yield from (f"there is no {each}" for each in words if each.startswith("--") and each not in options)
        return
    try:
        command.make_context("pulseiq", list(words))
    except Exception as error:
        yield f"{type(error).__name__}: {error}"
    if "--scenario" in words:
        yield from _scenario(words[words.index("--scenario") + 1])


def _make(words: list[str]) -> Iterator[str]:
    if any(_PLACE.fullmatch(each) for each in words):
        return
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", "-n", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    if done.returncode:
        yield done.stderr.strip()
    for name, value in (each.split("=", 1) for each in words if "=" in each):
        if f"$({name})" not in MAKEFILE:
            yield f"the Makefile reads no {name}"
        if name == "SCENARIO":
            yield from _scenario(value)


def _scenario(name: str) -> Iterator[str]:
    for each in name.split("+"):
        if not (ROOT / "contracts" / "shop" / "scenarios" / f"{each}.yaml").is_file():
            yield f"the shop has no scenario '{each}'"


def _module(name: str, words: list[str]) -> Iterator[str]:
    folder = ROOT.joinpath(*name.split("."))
    source = next((each for each in (folder.with_suffix(".py"), folder / "__main__.py") if each.is_file()), None)
    yield from [f"there is no module {name}"] if source is None else _options(source, words)


def _script(name: str, words: list[str]) -> Iterator[str]:
    script = ROOT / name
    if not (script.is_file() and os.access(script, os.X_OK)):
        yield f"there is no script {name}"
        return
    yield from _options(script, words)


def _options(source: Path, words: list[str]) -> Iterator[str]:
    text = source.read_text(encoding="utf-8")
    yield from (f"{source.name} has no {each}" for each in words if each.startswith("--") and f'"{each}"' not in text)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_exists_and_parses(page: Path) -> None:
    wrong = [f"{shown}: {fault}" for shown in commands(page) for fault in faults(shown)]
    assert wrong == []


def test_short_forms_in_the_readme_are_commands_of_the_same_group() -> None:
    """`pulseiq env plan`, `cost`, `apply`: words that stand for a whole command."""
    wrong, seen = [], 0
    for cell in re.findall(r"^\| (`pulseiq [^|]+) \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE):
        spans = re.findall(r"`([^`]+)`", cell)
        words = spans[0].split()
        for span in spans[1:]:
            if span.startswith("pulseiq "):
                words = span.split()
                continue
            seen += 1
            # The last word that names a command is the one it takes the place of.
            whole = [[*words[:place], *span.split()[:1]] for place in range(1, len(words))]
            if all(list(_pulseiq(each[1:], mention=True)) for each in whole):
                wrong.append(span)
    assert wrong == []
    assert seen > 10


def test_the_next_command_that_an_error_names_exists() -> None:
    wrong, seen = [], 0
    for file in sorted(path for name in ("pipelines", "quality") for path in (ROOT / name).rglob("*.py")):
        for hint in _hints(ast.parse(file.read_text(encoding="utf-8"))):
            for command in re.findall(r"\b(?:pulseiq|make) [a-z][^;,:|()`]*", hint):
                seen += 1
                words = command.split()
                fault = list(_make(words[1:2])) if words[0] == "make" else list(_named(words[1:]))
                wrong += [f"{file.relative_to(ROOT)}: {hint}: {each}" for each in fault]
    assert wrong == []
    assert seen > 40


def _hints(tree: ast.AST) -> Iterator[str]:
    """Texts given as `hint=`, what is filled in left as a place."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "hint":
            filled = [each for each in ast.walk(node.value) if isinstance(each, ast.JoinedStr)]
            inside = {id(part) for each in filled for part in ast.walk(each)}
            for each in filled:
                yield "".join(part.value if isinstance(part, ast.Constant) else "PLACE" for part in each.values)
            for part in ast.walk(node.value):
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and id(part) not in inside:
                    yield part.value


def _named(words: list[str]) -> Iterator[str]:
    """Whether the first words name a command, or a group of them, and the command has the options."""
    command: Any = typer.main.get_command(build())
    for word in words:
        if not hasattr(command, "commands") or word == "PLACE":
            break
        if word not in command.commands:
            yield f"there is no '{word}' among {', '.join(command.commands)}"
            return
        command = command.commands[word]
    if not hasattr(command, "commands"):
        options = {name for given in command.params for name in (*given.opts, *given.secondary_opts)}
        yield from (f"there is no {each}" for each in words if each.startswith("--") and each not in options)


@pytest.mark.parametrize(
    "words",
    [
        ("pulseiq", "nwo", "shop"),
        ("pulseiq", "now", "shop", "--colour", "red"),
        ("pulseiq", "now"),
        ("pulseiq", "quality", "held", "show", "shop", "twelve"),
        ("pulseiq", "simulate", "shop", "--scenario", "no-such"),
        ("make", "no-such-target"),
        ("make", "demo", "COLOUR=red"),
        ("make", "demo", "SCENARIO=no-such"),
        ("python", "-m", "benchmarks.nothing"),
        ("python", "-m", "benchmarks.sparse", "--unreal"),
        ("scripts/nothing",),
        ("somebody", "else"),
    ],
)
def test_a_command_that_is_not_there_is_found(words: tuple[str, ...]) -> None:
    assert faults(Shown(words)) != []


def test_a_variable_that_nobody_reads_is_found() -> None:
    assert faults(Shown(("pulseiq", "env", "plan"), ("PULSEIQ_EVN=aws",))) != []


def test_blocks_and_sentences_are_both_read(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    block = "   ```sh\n   A=b make up && pulseiq ledger shop  # it\n   ```\n"
    session = "```console\n$ pulseiq why shop \"m{a=b}\" 'now'\nprinted\n```\n"
    page.write_text(f"Say `pulseiq\nnow shop`, not `pulseiq_state`.\n\n1. Then\n\n{block}\n{session}")
    assert [(each.given, each.words, each.in_block) for each in commands(page)] == [
        ((), ("pulseiq", "now", "shop"), False),
        (("A=b",), ("make", "up"), True),
        ((), ("pulseiq", "ledger", "shop"), True),
        ((), ("pulseiq", "why", "shop", "m{a=b}", "now"), True),
    ]


def test_the_cookbook_shows_commands_on_every_page() -> None:
    few = [page.name for page in COOKBOOK.glob("*.md") if not commands(page)]
    assert few == []
    assert sum(len(commands(page)) for page in pages()) > 150
