"""No jar gets into place that is not the committed one, whatever a download left behind."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from setup import jars
from setup.machine import SetupError
from setup.steps import Steps

GOOD = b"the whole jar"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    digest = hashlib.sha256(GOOD).hexdigest()
    (tmp_path / "scripts" / "jars.sha256").write_text(f"# bytes: {len(GOOD)}\n{digest}  spark/one-1.0.jar\n")
    for configuration in jars.CONFIGURATIONS:
        (tmp_path / "tools" / "jars" / configuration).mkdir(parents=True)
    return tmp_path


def ivy_that_brings(*contents: bytes, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each resolution downloads the next content, unless the file is in the cache, as Ivy does."""
    cached = root / "tools" / "ivy" / "one-1.0.jar"
    cached.parent.mkdir()
    coming = iter(contents)

    def resolve(*_):
        if not cached.exists():
            cached.write_bytes(next(coming))
        return {"spark/one-1.0.jar": cached}

    monkeypatch.setattr(jars, "resolve", resolve)


def steps(root: Path) -> Steps:
    return Steps(root / "setup.log")


def test_a_damaged_jar_is_fetched_again(root: Path, monkeypatch: pytest.MonkeyPatch):
    ivy_that_brings(GOOD[:5], GOOD, root=root, monkeypatch=monkeypatch)
    jars.bring(root, root / "tools", steps(root))
    assert (root / "tools/jars/spark/one-1.0.jar").read_bytes() == GOOD


def test_a_jar_that_stays_wrong_is_refused_and_never_placed(root: Path, monkeypatch: pytest.MonkeyPatch):
    ivy_that_brings(b"another", b"another", root=root, monkeypatch=monkeypatch)
    with pytest.raises(SetupError, match=r"one-1\.0\.jar is not the file"):
        jars.bring(root, root / "tools", steps(root))
    assert not jars.complete(root, root / "tools")


def test_a_jar_that_the_list_does_not_name_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jars, "resolve", lambda *_: {"spark/two-2.0.jar": root / "two-2.0.jar"})
    with pytest.raises(SetupError, match="name different jars"):
        jars.bring(root, root / "tools", steps(root))


def test_jars_of_an_earlier_lock_are_removed(root: Path, monkeypatch: pytest.MonkeyPatch):
    old = root / "tools/jars/spark/one-0.9.jar"
    old.write_bytes(b"old")
    ivy_that_brings(GOOD, root=root, monkeypatch=monkeypatch)
    jars.bring(root, root / "tools", steps(root))
    assert not old.exists()
    assert jars.complete(root, root / "tools")


def test_the_committed_list_is_what_is_installed():
    project = Path(__file__).resolve().parents[3]
    from pipelines.platform import toolchain

    installed = {f"{conf}/{path.name}" for conf in jars.CONFIGURATIONS for path in toolchain.jars(conf)}
    assert installed == set(jars.expected(project))
