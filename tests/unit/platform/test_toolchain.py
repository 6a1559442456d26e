"""Tools are found where the set-up put them; what is missing is said with the command that brings it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.errors import SetupError
from pipelines.platform import toolchain

SYSTEM = f"{sys.platform}_{toolchain.GO_NAMES.get(platform.machine(), platform.machine())}"


def mirror(folder: Path, version: str) -> Path:
    provider = folder / "registry.terraform.io" / "hashicorp" / "aws" / version / SYSTEM
    provider.mkdir(parents=True)
    return folder


@pytest.fixture(autouse=True)
def locked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "_locked_providers", lambda: {"hashicorp/aws": "5.100.0"})


def test_missing_jars_and_environments_name_the_setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PULSEIQ_TOOLS", str(tmp_path))
    for search in (lambda: toolchain.jars("spark"), toolchain.localstack_python):
        with pytest.raises(SetupError, match="make setup"):
            search()


def test_minio_is_the_named_one_or_on_path_or_where_go_puts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for folder in ("named", "path", "go/bin"):
        (tmp_path / folder).mkdir(parents=True)
        program = tmp_path / folder / "minio"
        program.touch()
        program.chmod(0o755)
    monkeypatch.delenv("GOBIN", raising=False)
    monkeypatch.setenv("GOPATH", str(tmp_path / "go"))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.delenv("PULSEIQ_MINIO", raising=False)
    assert toolchain.minio() == tmp_path / "go" / "bin" / "minio"
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert toolchain.minio() == tmp_path / "path" / "minio"
    monkeypatch.setenv("PULSEIQ_MINIO", str(tmp_path / "named" / "minio"))
    assert toolchain.minio() == tmp_path / "named" / "minio"


@pytest.mark.parametrize("given", ["", "nowhere/minio", "."])
def test_a_missing_minio_is_one_line_with_what_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str):
    for name, value in {"PATH": tmp_path, "GOPATH": tmp_path, "GOBIN": tmp_path, "PULSEIQ_MINIO": given}.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(SetupError, match=r"go install github\.com/minio/minio@latest") as caught:
        toolchain.minio()
    assert "\n" not in str(caught.value)


def test_a_mirror_named_by_the_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TF_PLUGIN_MIRROR", str(mirror(tmp_path / "mine", "5.100.0")))
    assert toolchain.provider_mirror() == tmp_path / "mine"


def test_a_mirror_in_terraforms_own_place_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TF_PLUGIN_MIRROR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    expected = mirror(tmp_path / ".terraform.d" / "plugins", "5.100.0")
    assert toolchain.provider_mirror() == expected


def test_a_mirror_of_another_version_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Terraform would find nothing in it, and not be allowed to look elsewhere."""
    monkeypatch.setattr(toolchain, "_mirror_candidates", lambda: iter([mirror(tmp_path, "4.9.0")]))
    assert toolchain.provider_mirror() is None


def test_a_packed_mirror_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "registry.terraform.io" / "hashicorp" / "aws"
    folder.mkdir(parents=True)
    (folder / f"terraform-provider-aws_5.100.0_{SYSTEM}.zip").touch()
    monkeypatch.setattr(toolchain, "_mirror_candidates", lambda: iter([tmp_path]))
    assert toolchain.provider_mirror() == tmp_path


def test_terraform_reads_the_configuration_that_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TF_PLUGIN_MIRROR", str(mirror(tmp_path / "mirror", "5.100.0")))
    environment = toolchain.terraform_environment(tmp_path / "home")
    outcome = subprocess.run(
        [*toolchain.terraform(), "version"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert outcome.returncode == 0
    assert "Warning" not in outcome.stdout + outcome.stderr


def test_an_old_terraform_on_path_gives_way_to_the_packaged_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    old = tmp_path / "terraform"
    old.write_text('#!/bin/sh\necho \'{"terraform_version": "1.5.7"}\'\n')
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert toolchain.terraform() == [sys.executable, "-m", "pipelines.platform.terraform_cli"]
    assert tuple(int(part) for part in toolchain.terraform_version().split(".")) >= toolchain.TERRAFORM_AT_LEAST
