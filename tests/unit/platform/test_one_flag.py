"""terraform/env is the whole difference between the environments: nothing else asks which one it is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# It reads the flag, and finds the manifest by it.
READS_THE_FLAG = "pipelines/platform/settings.py"
NAMES = {"local", "aws", "rehearsal", "minio"}


def branches(source: str) -> list[int]:
    """Lines that compare or look something up by the name of an environment."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            asked: list[ast.AST] = [node.left, *node.comparators]
        elif isinstance(node, ast.match_case):
            asked = [node.pattern]
        elif isinstance(node, ast.Dict):
            asked = [key for key in node.keys if key is not None]
        else:
            continue
        constants = {each.value for part in asked for each in ast.walk(part) if isinstance(each, ast.Constant)}
        if constants & NAMES:
            found.append(getattr(node, "lineno", 0))
    return found


def terraform_branches(text: str) -> list[str]:
    """Expressions of Terraform that decide by the environment; its own check of the value is none."""
    checked = re.sub(r"contains\(\[\"local\", \"aws\"\], var\.environment\)", "", text)
    return re.findall(r".*var\.environment\s*(?:==|!=|\?).*|.*(?:==|!=)\s*var\.environment.*", checked)


def test_no_python_but_the_settings_asks_which_environment_it_is():
    files = [path for folder in ("pipelines", "quality", "dags", "scripts") for path in (ROOT / folder).rglob("*.py")]
    hits = {path.relative_to(ROOT).as_posix(): branches(path.read_text(encoding="utf-8")) for path in files}
    assert {name for name, lines in hits.items() if lines} == {READS_THE_FLAG}


def test_no_module_of_terraform_asks_which_environment_it_is():
    files = [*ROOT.glob("terraform/modules/*/*.tf"), *ROOT.glob("terraform/stacks/*/*.tf")]
    assert files
    assert {path.name: hits for path in files if (hits := terraform_branches(path.read_text()))} == {}


def test_both_environments_have_variables_and_a_backend_and_aws_locks_its_state():
    folder = ROOT / "terraform" / "env"
    assert {path.name for path in folder.iterdir()} == {
        *("local.tfvars", "local.tfbackend", "aws.tfvars", "aws.tfbackend", "rehearsal.tfvars"),
    }
    assert re.search(r"use_lockfile\s*=\s*true", (folder / "aws.tfbackend").read_text())


@pytest.mark.parametrize(
    "source",
    [
        "if storage == 'minio': pass",
        "if settings.env == 'aws': pass",
        "x = {'local': 1, 'aws': -1}[env]",
        "y = 1 if known.env in ('local',) else 2",
    ],
)
def test_the_search_finds_a_branch(source):
    assert branches(source)


def test_the_search_finds_a_branch_of_terraform():
    assert terraform_branches('count = var.environment == "aws" ? 1 : 0')
    assert not terraform_branches('condition = contains(["local", "aws"], var.environment)')
