"""A lake as the jobs leave one behind, made once."""

from __future__ import annotations

import pytest

from tests.simulated_lake import Simulated, small


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """A fall of one rate in one segment, open now; do not write to it."""
    return small(tmp_path_factory.mktemp("lake"))
