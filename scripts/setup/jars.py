"""The jars: resolved by the Ivy that pyspark ships, verified against the committed checksums, then put in place.

Ivy keeps what it has in its cache, so a broken download goes on at the file where it broke. A jar appears in
`jars/<configuration>/` only by a link or rename of a verified file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from setup import trust
from setup.machine import SetupError
from setup.steps import Steps

CONFIGURATIONS = ("spark", "kafka")
CHECKSUMS = Path("scripts") / "jars.sha256"


def expected(root: Path) -> dict[str, str]:
    """`configuration/file` -> SHA-256, as committed."""
    lines = (root / CHECKSUMS).read_text(encoding="utf-8").splitlines()
    pairs = [line.split("  ", 1) for line in lines if line and not line.startswith("#")]
    return {name: digest for digest, name in pairs}


def total_bytes(root: Path) -> int:
    """Size of all jars, from the header of the checksum list."""
    first = (root / CHECKSUMS).read_text(encoding="utf-8").splitlines()[0]
    return int(first.removeprefix("# bytes: "))


def complete(root: Path, tools: Path) -> bool:
    """Whether every jar is there; verified ones only ever get there."""
    return all((tools / "jars" / name).is_file() for name in expected(root))


def bring(root: Path, tools: Path, steps: Steps) -> None:
    """Resolve, verify and place every jar of ivy.xml."""
    wanted = expected(root)
    for attempt in (1, 2):
        found = resolve(root, tools, steps, total_bytes(root))
        if set(found) != set(wanted):
            different = ", ".join(sorted(set(found) ^ set(wanted))[:3])
            raise SetupError(f"ivy.xml and {CHECKSUMS} name different jars: {different}", "make lock")
        steps.say(f"verifying {len(found)} jars")
        wrong = [name for name, path in found.items() if sha256(path) != wanted[name]]
        if not wrong:
            break
        for name in wrong:
            found[name].unlink()
        if attempt == 2:
            raise SetupError(f"{wrong[0]} is not the file that {CHECKSUMS} names", "check the connection")
        steps.say(f"{len(wrong)} jars are damaged ({wrong[0]}); getting them again")
    for name, path in found.items():
        _place(path, tools / "jars" / name)
    for configuration in CONFIGURATIONS:
        for stray in (tools / "jars" / configuration).iterdir():
            if f"{configuration}/{stray.name}" not in wanted:
                stray.unlink()


def resolve(root: Path, tools: Path, steps: Steps, total: int) -> dict[str, Path]:
    """`configuration/file` -> the file in Ivy's cache."""
    python = tools / "envs" / "pipelines" / "bin" / "python"
    java = _ask(python, "from pipelines.platform import toolchain; print(toolchain.java())", tools)
    spark = _ask(python, "import pyspark; print(pyspark.__path__[0])", tools)
    ivy = next(Path(spark, "jars").glob("ivy-*.jar"), None)
    if ivy is None:
        raise SetupError("pyspark came without its Ivy", "make clean, then run it again")
    cache = tools / "ivy"
    found = {}
    for configuration in CONFIGURATIONS:
        listing = cache / f"{configuration}.path"
        listing.unlink(missing_ok=True)
        cache.mkdir(parents=True, exist_ok=True)
        _drop_partial(cache)
        command: list[str | Path] = [java, *trust.java_options(cache), "-jar", ivy, "-ivy", root / "ivy.xml"]
        command += ["-cache", cache, "-confs", configuration, "-types", "jar", "bundle", "-cachepath", listing, "-warn"]
        steps.run(f"getting the {configuration} jars", command, size=lambda: _size(cache), total=total)
        for path in listing.read_text(encoding="utf-8").strip().split(os.pathsep):
            found[f"{configuration}/{Path(path).name}"] = Path(path)
    return found


def sha256(path: Path) -> str:
    """Digest of a file, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _place(source: Path, target: Path) -> None:
    """Link where the file system can, so that half a gigabyte is not kept twice."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.part")
    draft.unlink(missing_ok=True)
    try:
        draft.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, draft)
    draft.replace(target)


def _ask(python: Path, code: str, tools: Path) -> str:
    environment = {**os.environ, "PULSEIQ_TOOLS": str(tools)}
    answer = subprocess.run([python, "-c", code], capture_output=True, text=True, env=environment)
    if answer.returncode != 0:
        last = (answer.stderr.strip().splitlines() or ["no answer"])[-1]
        raise SetupError(f"the pipelines environment does not work: {last}", "make clean, then run it again")
    return answer.stdout.strip()


def _size(folder: Path) -> int:
    """Bytes of the jars in Ivy's cache, whole and partial ones."""
    total = 0
    for directory, _, names in os.walk(folder):
        for name in names:
            if not name.endswith((".jar", ".jar.part")):
                continue
            with contextlib.suppress(OSError):
                total += Path(directory, name).stat().st_size
    return total


def _drop_partial(cache: Path) -> None:
    for partial in cache.rglob("*.part"):
        partial.unlink(missing_ok=True)
