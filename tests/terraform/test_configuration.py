"""The Terraform tree by itself: form, validity, and the modules' own tests, without an account or an emulator."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.platform import toolchain

pytestmark = pytest.mark.terraform

Terraform = Callable[..., subprocess.CompletedProcess[str]]
ROOT = toolchain.project_root() / "terraform"
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("modules/*"))
FOLDERS = [*MODULES, "stacks/platform"]


def test_every_file_is_formatted(terraform: Terraform) -> None:
    done = terraform(".", "fmt", "-check", "-recursive", "-no-color")
    assert done.returncode == 0, f"terraform fmt would change:\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_folder_is_valid(terraform: Terraform, folder: str) -> None:
    done = terraform(folder, "validate", "-json")
    answer = json.loads(done.stdout)
    assert answer["valid"], answer["diagnostics"]
    assert answer["warning_count"] == 0, answer["diagnostics"]


@pytest.mark.parametrize("folder", MODULES)
def test_module_passes_its_own_tests(terraform: Terraform, folder: str) -> None:
    done = terraform(folder, "test", "-no-color")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Success! [1-9]\d* passed, 0 failed", done.stdout), done.stdout


@pytest.mark.parametrize("environment", ["local", "aws"])
def test_stack_passes_its_tests_with_the_variables_of(terraform: Terraform, tree: Path, environment: str) -> None:
    done = terraform("stacks/platform", "test", "-no-color", f"-var-file={tree / 'env' / environment}.tfvars")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Success! [1-9]\d* passed, 0 failed", done.stdout), done.stdout


@pytest.mark.parametrize("folder", MODULES)
def test_module_is_documented(folder: str) -> None:
    module = ROOT / folder
    readme = (module / "README.md").read_text()
    assert "## Example" in readme
    blocks = re.findall(r'^(variable|output) "(\w+)" {\n(.*?)^}', _text(module), re.MULTILINE | re.DOTALL)
    assert blocks
    for kind, name, body in blocks:
        assert f"`{name}`" in readme, f"{kind} {name} is not in {folder}/README.md"
        assert "description" in body, f"{kind} {name} has no description"
        assert kind == "output" or "type " in body, f"variable {name} has no type"


def test_lock_names_the_pinned_provider_with_hashes_of_folder_and_registry() -> None:
    lock = (ROOT / "stacks/platform/.terraform.lock.hcl").read_text()
    pins = {path: re.findall(r'version = "([\d.]+)"', path.read_text()) for path in ROOT.glob("*/*/versions.tf")}
    assert set(map(tuple, pins.values())) == {("5.100.0",)}
    assert re.search(r'version\s*= "5\.100\.0"', lock)
    assert '"h1:' in lock
    assert lock.count('"zh:') == 15


def _text(module: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(module.glob("*.tf")))
