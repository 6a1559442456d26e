"""Builds the log store's jar with the Janino compiler that pyspark ships: `python -m pipelines.platform.logstore.build`.

A user's machine has a Java runtime without a compiler; Spark brings one for its own generated code. The jar is the same
to the byte for the same source: entries are sorted and carry no time.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pyspark
from pyspark.java_gateway import launch_gateway

from pipelines.errors import SetupError
from pipelines.platform import toolchain

SOURCE = Path(__file__).with_name("ConditionalPutLogStore.java")
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def default_jar() -> Path:
    """Where Spark's class path looks for it."""
    return toolchain.tools_dir() / "jars" / "pulseiq" / "pulseiq-logstore.jar"


def build(jars: Sequence[Path], out: Path) -> None:
    """Compile the source against `jars` and pyspark's own, and write the jar at once or not at all."""
    os.environ["JAVA_HOME"] = str(toolchain.java_home())
    class_path = [*jars, *sorted((Path(pyspark.__file__).parent / "jars").glob("*.jar"))]
    gateway = launch_gateway()
    try:
        with tempfile.TemporaryDirectory() as folder:
            _compile(gateway, class_path, Path(folder))
            _pack(Path(folder), out)
    finally:
        gateway.shutdown()


def _compile(gateway, class_path: Sequence[Path], folder: Path) -> None:  # type: ignore[no-untyped-def]
    jvm = gateway.jvm

    def files(paths: Sequence[Path]):  # type: ignore[no-untyped-def]
        array = gateway.new_array(jvm.java.io.File, len(paths))
        for i, path in enumerate(paths):
            array[i] = jvm.java.io.File(str(path))
        return array

    compiler = jvm.org.codehaus.janino.Compiler()
    compiler.setClassPath(files(class_path))
    compiler.setDestinationDirectory(jvm.java.io.File(str(folder)), False)
    compiler.setDebugLines(True)
    try:
        compiler.compile(files([SOURCE]))
    except Exception as error:
        reason = str(getattr(error, "java_exception", error)).splitlines()[0]
        raise SetupError(f"{SOURCE.name} was not compiled: {reason}", hint="make setup") from error


def _pack(folder: Path, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as jar:
        for path in sorted(folder.rglob("*.class")):
            entry = zipfile.ZipInfo(str(path.relative_to(folder)), _NO_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            jar.writestr(entry, path.read_bytes())
    partial.replace(out)


def main() -> None:
    """Command line: `--out JAR` and `--jars DIR` have defaults under the tools folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jars", type=Path, default=None, help="folder with Delta's, Hadoop's and the AWS SDK's jars")
    parser.add_argument("--out", type=Path, default=default_jar(), help="the jar to write")
    given = parser.parse_args()
    jars = sorted(given.jars.glob("*.jar")) if given.jars else toolchain.jars("spark")
    build(jars, given.out)
    print(f"built {given.out.name} ({given.out.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
