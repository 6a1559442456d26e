"""Builds our own classes' jar by the Janino compiler that pyspark ships: `python -m pipelines.platform.jvm.build`.

A user's machine has a Java runtime without a compiler; Spark brings one for its own generated code. The jar is the same
to the byte for the same source: entries are sorted and carry no time.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyspark
from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway
from py4j.protocol import Py4JJavaError

from pipelines.errors import SetupError
from pipelines.platform import toolchain

SOURCES = tuple(sorted(Path(__file__).parent.glob("*.java")))
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def default_jar() -> Path:
    """Where Spark's class path looks for it."""
    return toolchain.tools_dir() / "jars" / "pulseiq" / "pulseiq.jar"


def build(jars: Sequence[Path], out: Path, sources: Sequence[Path] = SOURCES) -> None:
    """Compile the sources against `jars` and pyspark's own, and write the jar at once or not at all."""
    sparks = sorted((Path(pyspark.__file__).parent / "jars").glob("*.jar"))
    with tempfile.TemporaryDirectory() as folder, _java(sparks) as gateway:
        _compile(gateway, sources, [*jars, *sparks], Path(folder))
        _pack(Path(folder), out)


@contextmanager
def _java(sparks: Sequence[Path]) -> Iterator[JavaGateway]:
    """A Java with the compiler on its class path, that ends with the block."""
    needed = [jar for jar in sparks if jar.name.startswith(("py4j-", "janino-", "commons-compiler-"))]
    port, token = launch_gateway(
        classpath=os.pathsep.join(str(jar) for jar in needed),
        jarpath=str(next(jar for jar in needed if jar.name.startswith("py4j-"))),
        java_path=str(toolchain.java()),
        die_on_exit=True,
        enable_auth=True,
    )
    gateway = JavaGateway(gateway_parameters=GatewayParameters(port=port, auth_token=token))
    try:
        yield gateway
    finally:
        gateway.shutdown()


def _compile(gateway: JavaGateway, sources: Sequence[Path], class_path: Sequence[Path], folder: Path) -> None:
    def files(paths: Sequence[Path]) -> Any:
        array = gateway.new_array(gateway.jvm.java.io.File, len(paths))
        for position, path in enumerate(paths):
            array[position] = gateway.jvm.java.io.File(str(path))
        return array

    compiler = gateway.jvm.org.codehaus.janino.Compiler()
    compiler.setClassPath(files(class_path))
    compiler.setDestinationDirectory(gateway.jvm.java.io.File(str(folder)), False)
    compiler.setDebugLines(True)
    try:
        compiler.compile(files(sources))
    except Py4JJavaError as error:
        reason = " ".join(str(error.java_exception.getMessage()).split())
        raise SetupError(f"our Java classes were not compiled: {reason}", hint="make setup") from error


def _pack(folder: Path, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w") as jar:
        for path in sorted(folder.rglob("*.class")):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _NO_TIME)
            # Stored, not deflated: what zlib makes of the same bytes differs between its versions.
            jar.writestr(entry, path.read_bytes(), zipfile.ZIP_STORED)
    partial.replace(out)


def main() -> None:
    """Command line: `--out JAR` and `--jars DIR` have defaults under the tools folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jars", type=Path, default=None, help="folder with Delta's, Hadoop's and the AWS SDK's jars")
    parser.add_argument("--out", type=Path, default=default_jar(), help="the jar to write")
    given = parser.parse_args()
    jars = sorted(given.jars.glob("*.jar")) if given.jars else toolchain.jars("spark")
    build(jars, given.out)
    if given.out == default_jar():
        # All of them are on Spark's class path, and an earlier set-up's classes would shadow these.
        for stale in set(given.out.parent.glob("*.jar")) - {given.out}:
            stale.unlink()
    print(f"built {given.out.name} ({given.out.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
