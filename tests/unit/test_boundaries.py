"""What import-linter's contracts (in pyproject.toml) cannot say: names, words and files that are in the wrong place."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("pipelines", "quality")

# A product other than the shop must need no code change, so no code may speak of the shop.
SHOP_WORDS = re.compile(r"(?<![a-z])(region|checkout)s?(?![a-z])", re.IGNORECASE)
# Amazon's regions are another matter, and have to be named to reach its services.
AWS_SENSE = re.compile(r"aws[_ -]region|settings\.region|region_name|--region", re.IGNORECASE)
# In pieces, so that this file does not hold what it forbids.
REGISTRIES = [
    "pypi" + ".org",
    "files." + "pythonhosted",
    "repo1." + "maven",
    "repo." + "maven.apache",
    "maven" + "-central",
    "registry.npm" + "js",
    "crates" + ".io",
    "proxy." + "golang",
    "docker" + ".io/",
    "https://registry." + "terraform",
]
MACHINE_PATHS = ["/ro" + "ot/", "/ho" + "me/", "/wo" + "rk/", "/opt" + "/tf", "C:" + "\\Users"]


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def tracked_text() -> Iterator[tuple[str, str]]:
    """Name and content of every file that is, or on the next commit may be, in the repository."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    for name in filter(None, listing.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            if b"\0" not in content[:8000]:
                yield name, content.decode("utf-8", errors="replace")


def environment_reads(source: str) -> list[int]:
    """Lines that read the process environment; setting a variable that a library reads at its import is no read."""
    found = []
    nodes = list(ast.walk(ast.parse(source)))
    set_only = {id(node.value) for node in nodes if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)}
    for node in nodes:
        named = isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"}
        named = named and id(node) not in set_only
        imported = isinstance(node, ast.ImportFrom) and node.module == "os"
        if named or (imported and any(alias.name in {"environ", "environb", "getenv"} for alias in node.names)):
            found.append(node.lineno)
    return found


def spark_configuration(source: str) -> list[int]:
    """Lines that build or set Spark's configuration."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and (
            (node.attr == "builder" and isinstance(node.value, ast.Name) and node.value.id == "SparkSession")
            or (node.attr == "set" and isinstance(node.value, ast.Attribute) and node.value.attr == "conf")
        )
    ]


def kafka_clients(source: str) -> list[int]:
    """Lines that make a client of Kafka; using one that was given is free to all."""
    makers = {"Producer", "Consumer", "AdminClient", "SerializingProducer", "DeserializingConsumer"}
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    names = [(call.lineno, getattr(call.func, "id", getattr(call.func, "attr", ""))) for call in calls]
    return [line for line, name in names if name in makers]


def imported_packages(source: str) -> set[str]:
    """Top-level packages that a file imports, wherever in it."""
    packages = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            packages.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            packages.add(node.module.split(".")[0])
    return packages


def shop_words(source: str) -> list[str]:
    return [
        f"{number}: {line.strip()}"
        for number, line in enumerate(source.splitlines(), start=1)
        if SHOP_WORDS.search(AWS_SENSE.sub("", line))
    ]


def outside_platform() -> list[Path]:
    platform = ROOT / "pipelines" / "platform"
    return [path for path in python_files(*PACKAGES, "dags", "benchmarks") if not path.is_relative_to(platform)]


def found_in(paths: list[Path], search) -> dict[str, list]:
    hits = {str(path.relative_to(ROOT)): search(path.read_text(encoding="utf-8")) for path in paths}
    return {name: found for name, found in hits.items() if found}


def test_import_contracts_are_kept():
    linter = Path(sys.executable).with_name("lint-imports")
    outcome = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert outcome.returncode == 0, outcome.stdout


def test_only_the_platform_reads_the_environment():
    assert found_in(outside_platform(), environment_reads) == {}


def test_only_the_platform_configures_spark():
    assert found_in(outside_platform(), spark_configuration) == {}


def test_only_the_platform_makes_kafka_clients():
    assert found_in(outside_platform(), kafka_clients) == {}


def test_dags_submit_jobs_and_import_neither_spark_nor_the_quality_suites():
    heavy = {"pyspark", "great_expectations"}
    assert found_in(python_files("dags"), lambda source: sorted(imported_packages(source) & heavy)) == {}


def test_no_code_speaks_of_the_shop():
    """Benchmarks are free to: they measure on a product that they choose, as tests do."""
    product_code = [path for path in outside_platform() if not path.is_relative_to(ROOT / "benchmarks")]
    assert found_in(product_code, shop_words) == {}


def test_localstack_is_no_package_of_ours():
    assert not (ROOT / "localstack" / "__init__.py").exists(), "it would shadow LocalStack's own package"


def test_no_file_names_a_place_on_a_machine():
    hits = [f"{name}: {path}" for name, text in tracked_text() for path in MACHINE_PATHS if path in text]
    assert hits == []


def test_no_file_names_a_package_registry():
    hits = [f"{name}: {address}" for name, text in tracked_text() for address in REGISTRIES if address in text]
    assert hits == []


@pytest.mark.parametrize(
    ("search", "source"),
    [
        (environment_reads, "import os\nhome = os.environ['HOME']"),
        (environment_reads, "from os import getenv"),
        (spark_configuration, "SparkSession.builder.getOrCreate()"),
        (spark_configuration, "spark.conf.set('spark.sql.ansi.enabled', 'false')"),
        (kafka_clients, "sender = confluent_kafka.Producer({'bootstrap.servers': where})"),
        (shop_words, "where = row['region']"),
        (shop_words, "if action == 'begin_checkout': pass"),
    ],
)
def test_the_searches_find_what_they_are_for(search, source):
    assert search(source)


def test_setting_a_variable_for_a_library_is_no_read():
    assert environment_reads("import os\nos.environ['LIBRARY_QUIET'] = '1'") == []


@pytest.mark.parametrize("line", ["client('s3', region_name=settings.region)", "regional = True", "# AWS_REGION"])
def test_amazons_regions_are_not_the_shops(line):
    assert shop_words(line) == []
