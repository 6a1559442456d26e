"""Variables by which a run is told where it is: of the environment, of make, of Terraform."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pages.blocks import Facts, escaped, table

ROOT = Path(__file__).resolve().parents[2]
_TERRAFORM = ROOT / "terraform"


def variables() -> str:
    """Variables of `.env.example`, which a test compares with what the code reads: default, and its comment."""
    rows: list[tuple[str, str, str]] = []
    said: list[str] = []
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        given = re.fullmatch(r"#?([A-Z][A-Z_]+)=(.*)", line)
        if given:
            default = f"`{given[2]}`" if given[2] else ""
            rows.append((f"`{given[1]}`", default, escaped(" ".join(said)) or rows[-1][2]))
            said = []
        elif line.startswith("# "):
            said.append(line[2:])
        else:
            said = []
    return table(("variable", "default", "meaning"), rows)


def make_targets() -> str:
    """Targets of the Makefile that have a description."""
    found = re.findall(r"^([a-z-]+):.*## (.*)$", _makefile(), flags=re.MULTILINE)
    return table(("target", "does"), [(f"`make {name}`", escaped(text)) for name, text in found])


def make_variables() -> Facts:
    """Variables that the Makefile's recipes read: those with a default, then those without."""
    text = _makefile()
    defaults = {name: value.strip() for name, value in re.findall(r"^([A-Z]+) \?=(.*)$", text, flags=re.MULTILINE)}
    own = set(re.findall(r"^([A-Z]+) :=", text, flags=re.MULTILINE)) | {"MAKEFILE_LIST"}
    read = dict.fromkeys([*defaults, *re.findall(r"\$\(([A-Z]+)\)", text)])
    rows = []
    for name in read:
        if name not in own:
            default = f"`{defaults[name]}`" if defaults.get(name) else ""
            rows.append((f"`{name}`", default, escaped(", ".join(f"`{each}`" for each in _readers(name)))))
    return Facts(("variable", "default", "read by", "meaning"), tuple(rows))


def terraform_variables() -> str:
    """Variables of the platform stack, and what the two environments' files give them."""
    files = {name: _given(_TERRAFORM / "env" / f"{name}.tfvars") for name in ("local", "aws")}
    stack = (_TERRAFORM / "stacks" / "platform" / "variables.tf").read_text(encoding="utf-8")
    rows = []
    for name, body in re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', stack, flags=re.MULTILINE | re.DOTALL):
        said = re.search(r'description\s*=\s*"(.*)"', body)
        default = re.search(r"^  default\s*=\s*(.*)$", body, flags=re.MULTILINE)
        shown = f"`{default[1]}`" if default else "required"
        given = [f"`{files[env][name]}`" if name in files[env] else "" for env in ("local", "aws")]
        rows.append((f"`{name}`", shown, *map(escaped, given), escaped(said[1] if said else "")))
    return table(("variable", "default", "local.tfvars", "aws.tfvars", "meaning"), rows)


def _makefile() -> str:
    return (ROOT / "Makefile").read_text(encoding="utf-8")


def _readers(variable: str) -> Iterator[str]:
    """Targets whose recipe reads a variable."""
    for target, recipe in re.findall(r"^([a-z-]+):.*\n((?:\t.*\n)*)", _makefile(), flags=re.MULTILINE):
        if f"$({variable})" in recipe:
            yield target


def _given(file: Path) -> dict[str, str]:
    """Name -> value of a file of variables, on one line and without remarks."""
    found: dict[str, str] = {}
    name = ""
    for line in re.sub(r"(?m)\s*#.*$", "", file.read_text(encoding="utf-8")).splitlines():
        begun = re.fullmatch(r"(\w+)\s*=\s*(.*)", line)
        if begun:
            name, found[begun[1]] = begun[1], begun[2]
        elif name and line.strip():
            found[name] += f" {line.strip()}"
    return {each: " ".join(value.split()) for each, value in found.items()}
