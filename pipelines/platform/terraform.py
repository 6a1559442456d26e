"""Terraform on the platform stack: one working folder per environment, outside the checkout.

Owns how Terraform is called and what its failures say. What the stack holds is Terraform's own matter; where it is
applied and when is `provision`'s (this machine) and `deployment`'s (plans that a person has seen).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipelines.errors import ServiceError, UsageError
from pipelines.platform import aws, toolchain
from pipelines.platform.process import Launch, run_in_group
from pipelines.platform.settings import PROJECT_ROOT, Endpoints

ROOT = PROJECT_ROOT / "terraform"
STACK = ROOT / "stacks" / "platform"

# MSK and MWAA take half an hour each on AWS.
_TIMEOUT_SECONDS = 300.0
_TIMEOUT_ON_AWS_SECONDS = 5400.0


@dataclass(frozen=True)
class StateBucket:
    """Where the state of a remote environment is; None as endpoint is S3 itself."""

    name: str
    region: str
    endpoint_url: str | None


class Stack:
    """The platform stack with the variables of one environment; `name` is that of its working folder and state."""

    def __init__(self, known: Endpoints, name: str | None = None) -> None:
        self.known = known
        self.name = name or _name(known)
        self.folder = known.home / "data" / "terraform" / self.name
        self.log_file = known.home / "log" / f"terraform-{self.name}.log"
        self.state_file = self.folder / "platform.tfstate"
        self._at = self.folder / "stacks" / "platform"

    @property
    def keeps_state_in_s3(self) -> bool:
        """Whether the environment's backend is a bucket."""
        return 'backend "s3"' in self._backend()

    def variables(self) -> tuple[str, ...]:
        """The committed files, and what follows from this machine's own variables."""
        given = [f"-var-file={file}" for file in self.variable_files()] + [f"-var=region={self.known.region}"]
        if self.known.endpoint_url is not None:
            given.append(f"-var=endpoint_url={self.known.endpoint_url}")
        if self.known.storage_endpoint is not None:
            given.append(f"-var=storage={{endpoint={json.dumps(self.known.storage_endpoint)}}}")
        return (*given, *(f"-var={each}" for each in self.known.terraform_vars))

    def variable_files(self) -> tuple[Path, ...]:
        """The environment's file; a rehearsal's own comes after it and wins."""
        names = [self.known.env, *(["rehearsal"] if self.known.rehearsal else [])]
        return tuple(ROOT / "env" / f"{name}.tfvars" for name in names)

    def buckets(self) -> frozenset[str]:
        """Names of the buckets that the state in the working folder speaks of; none without one."""
        try:
            resources = json.loads(self.state_file.read_text(encoding="utf-8"))["resources"]
        except (OSError, ValueError, KeyError):
            return frozenset()
        buckets = (each["instances"] for each in resources if each["type"] == "aws_s3_bucket")
        return frozenset(instance["attributes"]["bucket"] for instances in buckets for instance in instances)

    def digest(self) -> str:
        """Changes with every file and variable that Terraform reads."""
        digest = hashlib.sha256(json.dumps(self.variables()).encode())
        read = [*ROOT.glob("modules/*/*.tf"), *_sources(), *self.variable_files(), *ROOT.glob("env/*.tfbackend")]
        for path in sorted(read):
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()

    def initialise(self, bucket: StateBucket | None = None) -> None:
        """`terraform init` where it was not done for these sources and this place of the state.

        Without a bucket the state is a file beside the working folder: where an environment that keeps it in S3 has no
        bucket yet, there is nothing to be read from it.
        """
        self._lay_out(remote=bucket is not None)
        done = self.folder / "initialised"
        mirror = toolchain.provider_mirror()
        digest = f"{self.digest()} {STACK} {bucket} {' '.join(toolchain.terraform())} {mirror}"
        providers = list((self.folder / "plugins" / "providers").glob("*/*/*/*/*"))
        if providers and done.exists() and done.read_text() == digest:
            return
        settings = self.folder / "backend.hcl"
        settings.write_text(_backend_settings(bucket, self.state_file))
        # Terraform remembers modules by the place that a link led to, which may be another clone's.
        shutil.rmtree(self.folder / "plugins" / "modules", ignore_errors=True)
        self.run("init", "-reconfigure", "-lockfile=readonly", f"-backend-config={settings}")
        done.write_text(digest)

    def run(self, command: str, *arguments: str, expected: tuple[int, ...] = (0,)) -> int:
        """Run one command of Terraform; its output goes to the log. Returns its exit code.

        Raises:
            UsageError: a variable has a value that the stack refuses.
            ServiceError: anything else; the message has Terraform's first error and the path of its log.
        """
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        start = self.log_file.stat().st_size if self.log_file.exists() else 0
        argv = [*toolchain.terraform(), command, "-input=false", "-no-color", *arguments]
        limit = _TIMEOUT_SECONDS if self.known.endpoint_url is not None else _TIMEOUT_ON_AWS_SECONDS
        code = run_in_group(Launch(argv, self._environment(), self._at), self.log_file, limit)
        if code in expected:
            return code
        if code == 124:
            raise ServiceError(
                f"terraform {command} did not end within {limit:.0f} s", hint=f"read {self.log_file}, then try again"
            )
        with self.log_file.open("rb") as file:
            file.seek(start)
            raise self._failure(command, file.read().decode(errors="replace"))

    def show(self, plan: Path | None = None) -> dict[str, Any]:
        """A saved plan, or without one the state, as Terraform's JSON."""
        answer = self.folder / "shown.json"
        answer.unlink(missing_ok=True)
        argv = [*toolchain.terraform(), "show", "-json", "-no-color", *([str(plan)] if plan else [])]
        code = run_in_group(Launch(argv, self._environment(), self._at), answer, _TIMEOUT_SECONDS)
        text = answer.read_text()
        answer.unlink()
        if code:
            raise self._failure("show", text)
        shown: dict[str, Any] = json.loads(text)
        return shown

    def _backend(self) -> str:
        return (ROOT / "env" / f"{self.known.env}.tfbackend").read_text(encoding="utf-8")

    def _lay_out(self, *, remote: bool) -> None:
        """Links to the sources, and beside them the backend: Terraform wants its kind in the configuration itself."""
        self._at.mkdir(parents=True, exist_ok=True)
        for link in self._at.iterdir():
            if link.is_symlink():
                link.unlink()
        for source in _sources():
            (self._at / source.name).symlink_to(source)
        modules = self.folder / "modules"
        modules.unlink(missing_ok=True)
        modules.symlink_to(ROOT / "modules")
        block = self._backend() if remote or not self.keeps_state_in_s3 else 'backend "local" {}\n'
        (self._at / "backend.tf").write_text(f"terraform {{\n{block}}}\n", encoding="utf-8")

    def _environment(self) -> Mapping[str, str]:
        """Nothing of AWS from the user's shell for an emulator: a profile or a key there is not meant for it."""
        emulated = self.known.endpoint_url is not None
        unwanted = ("AWS_", "TF_") if emulated else ("TF_",)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        given = inherited | toolchain.terraform_environment(self.known.home)
        given |= {"TF_DATA_DIR": str(self.folder / "plugins")}
        # A third less work for 300 MB more: its schema of all of AWS keeps Go's garbage collector busy.
        given |= {"GOGC": os.environ.get("GOGC") or "400"}
        if emulated:
            proxy = os.environ.get("NO_PROXY") or os.environ.get("no_proxy")
            direct = ",".join(filter(None, (proxy, "127.0.0.1,localhost")))
            given |= {"NO_PROXY": direct, "no_proxy": direct, "AWS_EC2_METADATA_DISABLED": "true"}
            given |= dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
            # The backend has no variables: it takes its keys from here.
            given |= {"AWS_ACCESS_KEY_ID": aws.LOCAL_ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": aws.LOCAL_SECRET_KEY}
        return given

    def _failure(self, command: str, said: str) -> ServiceError | UsageError:
        error = first_error(said)
        if re.match(r"Invalid value for (input )?variable|Value for undeclared variable|No value for required", error):
            return UsageError(f"terraform: {error}", hint=f"correct {' or '.join(map(_shown, self.variable_files()))}")
        if "state lock" in error:
            return ServiceError(f"terraform: {error}", hint="wait for whoever else applies, then try again")
        exists = re.search(r"AlreadyOwnedByYou|AlreadyExists|already exists", said)
        if exists and self.known.storage_endpoint is not None:
            return ServiceError(
                f"terraform {command} failed: {error}",
                hint=f"a store that keeps its buckets needs {self.state_file}: bring it back, or empty the store",
            )
        if exists and self.known.serves_itself:
            return ServiceError(
                f"terraform {command} failed: {error}",
                hint="pulseiq down, then pulseiq up: LocalStack forgets what it holds",
            )
        return ServiceError(f"terraform {command} failed: {error}", hint=f"read {self.log_file}")


def first_error(said: str) -> str:
    """Terraform's first error with its explanation, without its frame and the lines of source it shows."""
    lines = [line.strip("│╷╵ ").strip() for line in said.splitlines()]
    for position, line in enumerate(lines):
        if line.startswith("Error:"):
            source = re.compile(r"on .* line \d+|\d+: |├|│|var\.|╵|The given value|This was checked by")
            rest = list(_until_next(lines[position + 1 :]))
            detail = " ".join(each for each in rest if each and not source.match(each))
            where = next(
                (each.split(",")[0].removeprefix("on ").rstrip(":") for each in rest if each.startswith("on ")), ""
            )
            named = re.search(r"variable \"(\w+)\"|var\.(\w+) is", said)
            name = f" {next(filter(None, named.groups()))}" if named and "variable" in line else ""
            text = f"{line.removeprefix('Error:').strip()}{name}: {detail}"
            return (f"{text} ({where})" if where.startswith("../../env") else text)[:500]
    return next((line for line in reversed(lines) if line), "it said nothing")[:400]


def _until_next(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        if line.startswith(("Error:", "Warning:")):
            return
        yield line


def _name(known: Endpoints) -> str:
    name = "rehearsal" if known.rehearsal else known.env
    if known.storage_endpoint is None:
        return name
    # A state speaks of buckets, and each store has its own: those of ours stay the same on another port.
    place = urlsplit(known.storage_endpoint).netloc.replace(":", "-")
    return f"{name}-own-storage" if known.own_storage else f"{name}-{place}"


def _sources() -> list[Path]:
    return sorted([*STACK.glob("*.tf"), STACK / "catalog.json", STACK / ".terraform.lock.hcl"])


def _shown(path: Path) -> str:
    return path.relative_to(PROJECT_ROOT).as_posix()


def _backend_settings(bucket: StateBucket | None, file: Path) -> str:
    if bucket is None:
        return f"path = {json.dumps(str(file))}\n"
    lines = [f"bucket = {json.dumps(bucket.name)}", f"region = {json.dumps(bucket.region)}"]
    if bucket.endpoint_url is not None:
        address = json.dumps(bucket.endpoint_url)
        lines += [f"endpoints = {{ s3 = {address}, sts = {address}, iam = {address} }}", "use_path_style = true"]
        lines += ["skip_credentials_validation = true", "skip_metadata_api_check = true"]
    return "\n".join(lines) + "\n"
