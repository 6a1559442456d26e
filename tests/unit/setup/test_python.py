"""An environment runs one clone's code: another clone with the same PULSEIQ_TOOLS does not take it over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from setup import python
from setup.machine import SetupError


def clone(folder: Path) -> Path:
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    return folder


def tools_of(root: Path, tools: Path, *, editable: bool = True) -> Path:
    """Tools as the set-up leaves them, with the project of a clone installed."""
    told = tools / "envs" / "pipelines" / "lib" / "python3.12" / "site-packages" / "pulseiq-0.1.0.dist-info"
    told.mkdir(parents=True)
    content = {"url": root.as_uri(), "dir_info": {"editable": editable}}
    (told / "direct_url.json").write_text(json.dumps(content))
    return tools


def test_the_environment_of_another_clone_is_refused_with_the_next_step(tmp_path: Path):
    first, second = clone(tmp_path / "the first"), clone(tmp_path / "second")
    tools = tools_of(first, tmp_path / "tools")
    with pytest.raises(SetupError, match=r"another clone, .*/the first .* next: unset PULSEIQ_TOOLS"):
        python.refuse_another_clones("pipelines", second, tools)


def test_so_is_one_inside_the_other_clone(tmp_path: Path):
    first, second = clone(tmp_path / "first"), clone(tmp_path / "second")
    with pytest.raises(SetupError, match="another clone"):
        python.refuse_another_clones("pipelines", second, tools_of(first, first / ".pulseiq"))


def test_a_clone_updates_what_it_made_itself(tmp_path: Path):
    first = clone(tmp_path / "first")
    python.refuse_another_clones("pipelines", first, tools_of(first, tmp_path / "tools"))


def test_a_part_of_the_clone_is_its_own_too(tmp_path: Path):
    first = clone(tmp_path / "first")
    python.refuse_another_clones("pipelines", first, tools_of(clone(first / "extension"), tmp_path / "tools"))


def test_a_clone_that_moved_takes_its_tools_along(tmp_path: Path):
    first = clone(tmp_path / "first")
    tools = tools_of(first, tmp_path / "tools")
    python.refuse_another_clones("pipelines", first.rename(tmp_path / "second"), tools)


def test_a_copied_clone_owns_the_tools_that_were_copied_with_it(tmp_path: Path):
    first, second = clone(tmp_path / "first"), clone(tmp_path / "second")
    python.refuse_another_clones("pipelines", second, tools_of(first, second / ".pulseiq"))


def test_tools_that_are_new_or_hold_copies_only_are_nobodys(tmp_path: Path):
    first, second = clone(tmp_path / "first"), clone(tmp_path / "second")
    python.refuse_another_clones("pipelines", second, tmp_path / "new")
    python.refuse_another_clones("pipelines", second, tools_of(first, tmp_path / "tools", editable=False))
