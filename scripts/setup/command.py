"""The order of the set-up, and how it knows that a part is done: a stamp with the digest of all that went into it."""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import signal
import sys
import time
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from setup import jars, machine, python
from setup.machine import SetupError
from setup.steps import Steps

# GB, measured: packages and jars on disk, the providers of Terraform, and what a demo writes.
DISK_FOR_ALL = 6.0
DISK_WHEN_DONE = 1.0


@dataclass(frozen=True)
class Part:
    """One thing to bring: what it is made from, whether it is there, how to make it; an `extra` only when asked for."""

    name: str
    size: str
    inputs: tuple[Path | bytes, ...]
    there: Callable[[], bool]
    make: Callable[[Steps], None]
    extra: bool = False


def parts(root: Path, tools: Path) -> list[Part]:
    """Everything, in the order in which one needs the other."""
    locks = root / "requirements"
    jvm = root / "pipelines" / "platform" / "jvm"
    bin_folder = tools / "envs" / "pipelines" / "bin"
    own_jars = tools / "jars" / "pulseiq"
    extension = root / "localstack" / "extension"
    return [
        Part(
            "pipelines",
            "Python packages with Spark, Java and Terraform: about 900 MB",
            (locks / "pipelines.txt",),
            lambda: (bin_folder / "python").exists(),
            lambda steps: python.make_environment("pipelines", root, tools, steps),
        ),
        Part(
            "project",
            "",
            (locks / "pipelines.txt", _packaging(root)),
            lambda: (bin_folder / "pulseiq").exists(),
            lambda steps: python.install_own("pipelines", root, root, tools, steps),
        ),
        Part(
            "localstack",
            "LocalStack: about 100 MB",
            (locks / "localstack.txt",),
            lambda: (tools / "envs" / "localstack" / "bin" / "python").exists(),
            lambda steps: python.make_environment("localstack", root, tools, steps),
        ),
        Part(
            "extension",
            "",
            (locks / "localstack.txt", _packaging(extension)),
            lambda: any(
                (tools / "envs" / "localstack" / "lib").glob("*/site-packages/localstack_lakehouse-*.dist-info")
            ),
            lambda steps: python.install_own("localstack", extension, root, tools, steps),
        ),
        Part(
            "jars",
            f"jars of Spark's connectors and of the Kafka broker: {jars.total_bytes(root) / 1e6:.0f} MB",
            (root / "ivy.xml", root / jars.CHECKSUMS),
            lambda: jars.complete(root, tools),
            lambda steps: jars.bring(root, tools, steps),
        ),
        Part(
            "jvm",
            "",
            tuple(path for path in sorted(jvm.rglob("*")) if path.suffix in (".py", ".java")),
            lambda: any(own_jars.glob("*.jar")),
            lambda steps: steps.run(
                "building our own jar", [bin_folder / "python", "-m", "pipelines.platform.jvm.build"]
            ),
        ),
        Part(
            "airflow",
            "Airflow: about 150 MB",
            (locks / "airflow.txt",),
            lambda: (tools / "envs" / "airflow" / "bin" / "airflow").exists(),
            lambda steps: python.make_environment("airflow", root, tools, steps),
            extra=True,
        ),
        Part(
            "checkov",
            "the scanner of Terraform's policies: about 100 MB",
            (locks / "checkov.txt",),
            lambda: (tools / "envs" / "checkov" / "bin" / "checkov").exists(),
            lambda steps: python.make_environment("checkov", root, tools, steps),
            extra=True,
        ),
    ]


def main(root: Path) -> int:
    """Run the set-up for the clone `root`; returns the exit code."""
    options = _arguments()
    tools = Path(os.environ.get("PULSEIQ_TOOLS") or root / ".pulseiq").expanduser().resolve()
    state = Path(os.environ.get("PULSEIQ_HOME") or root / ".pulseiq")
    os.environ["PULSEIQ_TOOLS"] = str(tools)
    started = time.monotonic()
    # Ended by make or by a service manager: leave through the same door as Ctrl-C, which ends what was started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        machine.refuse_windows_drive(root)
        machine.require_memory(options.least_memory, state)
        wanted = _chosen(parts(root, tools), options.only, options.extras)
        todo = outstanding(wanted, root, tools)
        if options.check:
            print("setup: " + (f"to do: {', '.join(part.name for part in todo)}" if todo else "complete"))
            return 1 if todo else 0
        if todo:
            _bring(wanted, root, tools)
            print(f"setup: complete after {time.monotonic() - started:.0f} s; all of it is in {tools}", flush=True)
        elif not options.quiet:
            print("setup: complete")
    except SetupError as failure:
        print(f"setup: {failure}", file=sys.stderr)
        return 5
    except OSError as error:
        reason = "the disk is full" if error.errno == 28 else str(error)
        print(f"setup: {reason} | next: see that {tools} can be written, then run it again", file=sys.stderr)
        return 5
    except KeyboardInterrupt:
        print("\nsetup: stopped; the next run goes on from here", file=sys.stderr)
        return 130
    return 0


def outstanding(candidates: Iterable[Part], root: Path, tools: Path) -> list[Part]:
    """The parts whose stamp does not fit their inputs any more, or that are gone."""
    return [part for part in candidates if _stamp(part, tools) != _digest(part, root) or not part.there()]


def _chosen(candidates: list[Part], only: str, extras: str) -> list[Part]:
    """The parts named in `only`, separated by commas, or all that every run needs; and the extra ones in `extras`."""
    named, added = (set(filter(None, names.split(","))) for names in (only, extras))
    if unknown := (named | added) - {part.name for part in candidates}:
        known = ", ".join(part.name for part in candidates)
        raise SetupError(f"there is no part '{min(unknown)}'", f"one of: {known}")
    return [part for part in candidates if part.name in named | added or (not named and not part.extra)]


def _bring(wanted: list[Part], root: Path, tools: Path) -> None:
    tools.mkdir(parents=True, exist_ok=True)
    with (tools / "setup.lock").open("w", encoding="utf-8") as lock:
        steps = Steps(tools / "log" / "setup.log")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            steps.say("another set-up of this clone is running; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        todo = outstanding(wanted, root, tools)
        machine.require_disk(tools, DISK_FOR_ALL if any(part.size for part in todo) else DISK_WHEN_DONE)
        announced = [part.size for part in todo if part.size]
        if announced:
            steps.say(f"to {tools} goes, where no cache has it yet:")
            for line in (*announced, "at the first start Terraform's AWS provider: 150 MB, if no local mirror has it"):
                steps.say(f"  {line}")
        for part in todo:
            part.make(steps)
            stamp = tools / "stamps" / part.name
            stamp.parent.mkdir(parents=True, exist_ok=True)
            stamp.write_text(_digest(part, root), encoding="utf-8")


def _stamp(part: Part, tools: Path) -> str:
    try:
        return (tools / "stamps" / part.name).read_text(encoding="utf-8")
    except OSError:
        return ""


def _digest(part: Part, root: Path) -> str:
    """Of the inputs, of the Python that the environments are for, and of the place: environments cannot be moved."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {root}".encode())
    for given in part.inputs:
        content = given if isinstance(given, bytes) else given.name.encode() + b"\0" + given.read_bytes()
        digest.update(content + b"\0")
    return digest.hexdigest()


def _packaging(root: Path) -> bytes:
    """What of pyproject.toml an installation depends on; the settings of linters are not among it."""
    content = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return json.dumps([content["build-system"], content["project"], content["tool"].get("hatch")]).encode()


def _arguments() -> argparse.Namespace:
    summary = "Bring environments, jars and, where the machine has none, Java and Terraform into .pulseiq/."
    parser = argparse.ArgumentParser(prog="scripts/bootstrap", description=summary)
    parser.add_argument("--check", action="store_true", help="only say what is missing; exit code 1 if anything is")
    parser.add_argument("--quiet", action="store_true", help="say nothing when there is nothing to do")
    parser.add_argument(
        "--least-memory", type=float, default=6.0, metavar="GB", help="refuse under this much free memory (default: 6)"
    )
    parser.add_argument(
        "--with", dest="extras", default="", metavar="PART,PART", help="also bring these: airflow, checkov"
    )
    parser.add_argument(
        "--only", default="", metavar="PART,PART", help="bring these parts and no others, as an image's layers do"
    )
    return parser.parse_args()
