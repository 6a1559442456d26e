"""The project as an archive: whole, and the same again as long as nothing changed."""

from __future__ import annotations

import tarfile
from pathlib import Path

from pipelines.platform.package import project_archive


def test_it_has_the_packages_their_data_and_the_contracts_and_its_name_is_its_content(tmp_path: Path) -> None:
    made = [project_archive(_folder(tmp_path / name)) for name in ("a", "b")]
    assert made[0].name == made[1].name
    with tarfile.open(made[0]) as archive:
        names = set(archive.getnames())
    assert {
        "pipelines/cli/submitted.py",
        "pipelines/platform/prices.yaml",
        "quality/gate.py",
        "contracts/shop/product.yaml",
    } <= names
    assert not any(name.endswith(".pyc") or name.startswith("tests/") for name in names)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
