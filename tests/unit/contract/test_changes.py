"""What a change of a contract breaks, case by case: the whole of what is said stands in each case's `expected.txt`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pipelines import contract as contracts
from pipelines.cli.main import build
from pipelines.contract.changes import compare, versions_side_by_side
from pipelines.contract.load import FOLDER
from pipelines.errors import ContractError, UsageError

CASES = Path(__file__).parent / "cases" / "changes"
KIOSK = Path(__file__).resolve().parents[2] / "data" / "kiosk"
SCHEMAS = sorted((CASES / "schemas").iterdir())
EDITED = sorted((CASES / "contracts").iterdir())


def said(old: Path, new: Path) -> list[str]:
    return [str(change) for change in compare(old, new)]


def edited(case: Path, folder: Path) -> Path:
    """The shop's contract with a case's edits."""
    shop = Path(shutil.copytree(FOLDER / "shop", folder / "shop"))
    for edit in yaml.safe_load((case / "edits.yaml").read_text(encoding="utf-8")):
        file = shop / edit["file"]
        if "copy" in edit:
            shutil.copy(shop / edit["copy"], file)
        text = file.read_text(encoding="utf-8")
        assert edit["replace"] in text, "the edit no longer meets the shop's contract"
        file.write_text(text.replace(edit["replace"], edit["by"], 1), encoding="utf-8")
    return shop


@pytest.mark.parametrize("case", SCHEMAS, ids=lambda case: case.name)
def test_a_schema(case):
    expected = (case / "expected.txt").read_text(encoding="utf-8").splitlines()
    assert said(case / "old.json", case / "new.json") == expected


@pytest.mark.parametrize("case", EDITED, ids=lambda case: case.name)
def test_a_contract(case, tmp_path):
    expected = (case / "expected.txt").read_text(encoding="utf-8").splitlines()
    assert said(FOLDER / "shop", edited(case, tmp_path)) == expected


@pytest.mark.parametrize(
    ("replace", "by", "expected"),
    [
        (
            "default: none}",
            "default: cash}",
            "is path $.payment.tender, default cash, was path $.payment.tender, default none",
        ),
        ("line: $.machine.line", "line: $.kind", "is path $.kind, was path $.machine.line"),
    ],
)
def test_a_dimension_that_is_read_otherwise_breaks(tmp_path, replace, by, expected):
    kiosk = Path(shutil.copytree(KIOSK, tmp_path / "kiosk"))
    file = kiosk / "product.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace(replace, by, 1), encoding="utf-8")
    breaking = [change for change in compare(KIOSK, kiosk) if change.place.startswith("dimensions.")]
    assert [(change.what, change.breaks) for change in breaking] == [(expected, True)]


@pytest.mark.parametrize("name", contracts.load_all(), ids=lambda contract: contract.product)
def test_committed_versions_go_side_by_side(name):
    assert list(versions_side_by_side(name)) == []


@pytest.mark.parametrize(("case", "code"), [("range_widened", 0), ("range_narrowed", 3)])
def test_the_command_says_what_breaks_and_scripts_can_branch_on_it(case, code):
    arguments = [str(CASES / "schemas" / case / name) for name in ("old.json", "new.json")]
    text = CliRunner().invoke(build(), ["contract", "check", *arguments])
    plain = CliRunner().invoke(build(), ["contract", "check", *arguments, "--output", "json"])
    assert (text.exit_code, plain.exit_code) == (code, code)
    lines = text.stdout.splitlines()
    assert lines[-1].endswith("not compatible: 2 of 2 changes break" if code else "compatible")
    found = json.loads(plain.stdout)
    assert found["compatible"] is (code == 0)
    assert [change["place"] for change in found["changes"]] == ["$.a"] * (len(lines) - 1)


def test_a_product_may_be_given_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop").mkdir()  # No contract: the product is meant.
    done = CliRunner().invoke(build(), ["contract", "check", "shop", str(FOLDER / "shop")])
    assert done.exit_code == 0
    assert done.stdout == f"{FOLDER / 'shop'}: nothing changed\n"


def test_what_is_neither_a_product_nor_a_path_is_named():
    refused = CliRunner().invoke(build(), ["contract", "check", "shop", "nosuch"]).exception
    assert isinstance(refused, UsageError)
    assert refused.what == "there is no product, folder or file 'nosuch'"
    assert "shop" in refused.hint


def test_a_folder_and_a_file_cannot_be_compared():
    with pytest.raises(UsageError, match="neither two folders"):
        compare(FOLDER / "shop", FOLDER / "shop" / "user_action.v1.json")


def test_a_wrong_schema_is_refused_with_its_place(tmp_path):
    (tmp_path / "new.json").write_text('{"type": "object", "properties": {"a": {"type": "date"}}}')
    with pytest.raises(ContractError, match=r"new\.json: \$\.properties\.a\.type"):
        compare(CASES / "schemas" / "nothing" / "old.json", tmp_path / "new.json")
