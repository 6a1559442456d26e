"""Terraform on a copy of the tree: it writes lock files and plugin folders beside what it reads."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.platform import toolchain

Terraform = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("terraform") / "terraform"
    shutil.copytree(toolchain.project_root() / "terraform", copy, ignore=shutil.ignore_patterns(".terraform"))
    return copy


@pytest.fixture(scope="session")
def terraform(tree: Path) -> Terraform:
    """Runs Terraform in a folder of the copy; with `init` first where the folder has not seen it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    environment = inherited | toolchain.terraform_environment(tree.parent)

    def run(folder: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*toolchain.terraform(), *arguments],
            cwd=tree / folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def with_init(folder: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        if arguments[0] != "fmt" and not (tree / folder / ".terraform").exists():
            done = run(folder, "init", "-backend=false", "-input=false", "-no-color")
            assert done.returncode == 0, done.stdout + done.stderr
        return run(folder, *arguments)

    return with_init
