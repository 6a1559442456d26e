"""The pages of docs/reference say what the code says, and what a person wrote into them stays."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import blocks, columns, commands
from pages.blocks import Facts, WrongMarkError

from pipelines.cli import answers, audit, ledger, run
from pipelines.errors import PulseIQError
from pipelines.refine import rules

ROOT = Path(__file__).resolve().parents[3]
PAGES = ROOT / "docs" / "reference"


def reference(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "scripts" / "reference"
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, timeout=120)


def test_the_pages_are_current_and_every_row_has_its_meaning() -> None:
    done = reference("--check")
    assert done.returncode == 0, done.stderr


def test_a_page_that_is_old_is_named_and_written_anew_with_what_a_person_wrote(tmp_path: Path) -> None:
    page = tmp_path / "tables.md"
    page.write_text((PAGES / "tables.md").read_text().replace("`key` | `binary`", "`key` | `string`"))
    done = reference("--check", "--folder", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "tables.md: the code says something else by now | next: make reference\n"
    assert reference("--folder", str(tmp_path)).returncode == 0
    assert page.read_text() == (PAGES / "tables.md").read_text()


def test_every_table_of_the_lake_is_on_the_page() -> None:
    shown = set(re.findall(r"^<!-- made: columns (\w+) -->$", (PAGES / "tables.md").read_text(), flags=re.MULTILINE))
    registered = {table for product in columns.catalog().values() for table in product["tables"]}
    assert shown == registered | {"cost", "maintenance"}
    headed = set(re.findall(r"^## (\w+)$", (PAGES / "tables.md").read_text(), flags=re.MULTILINE))
    assert headed == shown | {"gold_published"}


def test_every_command_has_an_example_of_itself() -> None:
    known = list(commands.every())
    assert len(known) > 40
    # `env rehearse` needs two variables, which `make rehearse` sets.
    strange = [each.words for each in known if each.words not in each.example and each.example != "make rehearse"]
    assert strange == []


def test_the_exit_codes_are_those_of_the_errors_and_of_the_commands_own_answers() -> None:
    listed = re.findall(r"^\| (\d+) \| ", (PAGES / "cli.md").read_text(), flags=re.MULTILINE)
    failures = {kind.exit_code for kind in (PulseIQError, *PulseIQError.__subclasses__())}
    own = {ledger.DOES_NOT_BALANCE, audit.CRITICAL_FAILED, run.GATE_HOLDS, run.OVER_BUDGET, *answers.CODES.values()}
    assert [int(code) for code in listed] == sorted({0, 130} | failures | own)


def test_the_reasons_of_quarantine_are_those_of_the_row_rules() -> None:
    said = re.search(r"Reasons of row rules: (.*?)\.", (PAGES / "tables.md").read_text(), flags=re.DOTALL)
    known = re.search(r"Reasons: (.*?)\.", rules.__doc__ or "", flags=re.DOTALL)
    assert said is not None
    assert known is not None
    assert re.findall(r"\w+", said[1]) == re.findall(r"\w+", known[1])
    judged = "".join(path.read_text() for path in Path(rules.__file__).parent.glob("*.py") if path.name != "rules.py")
    assert [each for each in re.findall(r"\w+", said[1]) if each not in judged] == []


def test_a_row_without_a_meaning_is_named_and_a_meaning_goes_with_its_row() -> None:
    old = "| a | b | c |\n|---|---|---|\n| `one` | old | said |\n| `gone` | old | too |\n"
    facts = Facts(("a", "b", "c"), (("`one`", "new"), ("`two`", r"x \| y")))
    made, missing = blocks.made(f"<!-- made: facts -->\n{old}<!-- end -->", {"facts": lambda: facts})
    assert "| `one` | new | said |" in made
    assert "gone" not in made
    assert [each.strip() for each in missing] == ["`two`"]


@pytest.mark.parametrize("text", ["<!-- made: nothing -->\n<!-- end -->", "<!-- made: facts -->\nwithout an end"])
def test_a_mark_that_nobody_can_fill_is_refused(text: str) -> None:
    with pytest.raises(WrongMarkError):
        blocks.made(text, {"facts": lambda: "made"})
