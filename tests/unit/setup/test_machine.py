"""What the set-up demands of a machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from setup import machine


@pytest.mark.parametrize("place", ["/mnt/c/Users/ana/pulseiq", "/mnt/d"])
def test_a_clone_on_a_windows_drive_is_refused(place: str):
    with pytest.raises(machine.SetupError, match="Windows drive"):
        machine.refuse_windows_drive(Path(place))


@pytest.mark.parametrize("place", ["/mnt/data/pulseiq", "/mnt/cache", "/srv/mnt/c"])
def test_other_mounts_are_not_taken_for_windows_drives(place: str):
    machine.refuse_windows_drive(Path(place))


def test_too_little_disk_is_refused(tmp_path: Path):
    with pytest.raises(machine.SetupError, match="GB are free on the disk"):
        machine.require_disk(tmp_path, at_least=10.0**9)


def test_memory_of_the_projects_own_services_counts_as_free(tmp_path: Path):
    assert machine._held_by_services(tmp_path) == 0
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "broker.pid").write_text(f"{os.getpgid(0)}\n")
    assert machine._held_by_services(tmp_path) > 10_000_000
