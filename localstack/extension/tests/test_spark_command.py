from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from localstack_lakehouse.settings import Settings, Storage
from localstack_lakehouse.spark_command import JobError, Place, as_properties, defaults_of, parse, prepare


@pytest.fixture
def spark_home(tmp_path) -> Path:
    submit = tmp_path / "spark" / "bin" / "spark-submit"
    submit.parent.mkdir(parents=True)
    submit.write_text("#!/bin/sh\n")
    return tmp_path / "spark"


@pytest.fixture
def place(tmp_path) -> Place:
    folder = tmp_path / "work"
    folder.mkdir()
    return Place("http://127.0.0.1:4566", "eu-central-1", "test", folder)


@pytest.fixture
def bucket(tmp_path):
    """A folder in the place of s3://bucket, and what fetches from it."""
    folder = tmp_path / "bucket"
    folder.mkdir()

    def fetch(uri: str, target: Path) -> None:
        assert uri.startswith("s3://bucket/")
        shutil.copy(folder / uri.removeprefix("s3://bucket/"), target)

    return folder, fetch


def settings(spark_home: Path | None, **more) -> Settings:
    lent = (more.get("jars"), Path("/java"), Path("x"), None, more.get("storage"))
    return Settings(None, spark_home, "/usr/bin/python3", "local[2]", *lent)


def ready(spark_home, place, bucket, parameters="", defaults=None, jars=None, arguments=(), storage=None):
    folder, fetch = bucket
    (folder / "job.py").write_text("print(1)")
    driver = {"entryPoint": "s3://bucket/job.py", "entryPointArguments": list(arguments)}
    if parameters:
        driver["sparkSubmitParameters"] = parameters
    return prepare(driver, defaults or {}, place, settings(spark_home, jars=jars, storage=storage), fetch)


def written(place: Place) -> dict[str, str]:
    lines = (place.folder / "spark-defaults.conf").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_the_entry_point_is_fetched_and_its_arguments_stay_as_they_are(spark_home, place, bucket):
    command = ready(spark_home, place, bucket, arguments=["s3://bucket/out", "--flag"])
    assert command.argv[-3:] == (str(place.folder / "job.py"), "s3://bucket/out", "--flag")
    assert (place.folder / "job.py").read_text() == "print(1)"


def test_properties_of_the_run_win_over_those_of_the_application(spark_home, place, bucket):
    application = [{"classification": "spark-defaults", "properties": {"spark.a": "1", "spark.b": "1"}}]
    run = [
        {"classification": "spark-defaults", "properties": {"spark.b": "2", "spark.c": "2"}},
        {"classification": "hive-site", "properties": {"spark.a": "no"}},
    ]
    ready(spark_home, place, bucket, "--conf spark.c=3", defaults_of(application, None, run))
    found = written(place)
    assert (found["spark.a"], found["spark.b"], found["spark.c"]) == ("1", "2", "3")


def test_python_files_and_jars_are_fetched(spark_home, place, bucket):
    for name in ("a.py", "b.zip", "c.jar"):
        (bucket[0] / name).write_text(name)
    ready(
        spark_home, place, bucket, "--py-files s3://bucket/a.py,s3://bucket/b.zip --conf spark.jars=s3a://bucket/c.jar"
    )
    found = written(place)
    assert found["spark.submit.pyFiles"] == f"{place.folder}/a.py,{place.folder}/b.zip"
    assert found["spark.jars"] == f"{place.folder}/c.jar"


def test_variables_of_the_driver_reach_the_process_and_win_over_the_executors(spark_home, place, bucket):
    parameters = "--conf spark.emr-serverless.driverEnv.STAGE=driver --conf spark.executorEnv.STAGE=executor"
    environment = ready(spark_home, place, bucket, parameters).environment
    assert environment["STAGE"] == "driver"
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert environment["JAVA_HOME"] == "/java"


def test_another_s3_takes_the_place_of_localstacks(spark_home, place, bucket):
    storage = Storage("http://127.0.0.1:9000", "key", "secret-of-it")
    environment = ready(spark_home, place, bucket, storage=storage).environment
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert environment["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:9000"
    assert (environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]) == ("key", "secret-of-it")
    found = written(place)
    assert found["spark.hadoop.fs.s3a.endpoint"] == r"http://127.0.0.1:9000"
    assert found["spark.hadoop.fs.s3a.secret.key"] == "secret-of-it"


def test_nothing_of_the_callers_environment_leaks_into_a_job(spark_home, place, bucket, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    assert not {"AWS_PROFILE", "PYTHONPATH"} & set(ready(spark_home, place, bucket).environment)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_an_archive_is_unpacked_beside_the_job_with_its_modes(spark_home, place, bucket, kind):
    archive = bucket[0] / f"environment.{kind}"
    content = b"#!/bin/sh\n"
    if kind == "tar":
        with tarfile.open(archive, "w:gz") as packed:
            member = tarfile.TarInfo("bin/python")
            member.size, member.mode = len(content), 0o755
            packed.addfile(member, io.BytesIO(content))
    else:
        with zipfile.ZipFile(archive, "w") as packed:
            member = zipfile.ZipInfo("bin/python")
            member.external_attr = 0o755 << 16
            packed.writestr(member, content)
    parameters = (
        f"--archives s3://bucket/{archive.name}#environment "
        "--conf spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON=./environment/bin/python"
    )
    command = ready(spark_home, place, bucket, parameters)
    python = place.folder / command.environment["PYSPARK_DRIVER_PYTHON"]
    assert python.read_bytes() == content
    assert python.stat().st_mode & 0o111
    assert "spark.archives" not in written(place)


@pytest.mark.parametrize("filters", [True, False])
def test_a_member_outside_of_an_archives_folder_is_refused(spark_home, place, bucket, monkeypatch, filters):
    if not filters:
        monkeypatch.delattr(tarfile, "tar_filter", raising=False)  # Python before 3.11.4
    for name in ("fine", "../outside"):
        with tarfile.open(bucket[0] / "x.tar", "w") as packed:
            packed.addfile(tarfile.TarInfo(name))
        if name == "fine":
            ready(spark_home, place, bucket, "--archives s3://bucket/x.tar#fine")
            assert (place.folder / "fine" / "fine").is_file()
        else:
            with pytest.raises(JobError, match=r"s3://bucket/x\.tar cannot be unpacked: .*outside"):
                ready(spark_home, place, bucket, "--archives s3://bucket/x.tar#escaping")


def test_an_archive_that_is_none_says_so(spark_home, place, bucket):
    (bucket[0] / "x.tar.gz").write_text("no archive")
    with pytest.raises(JobError, match=r"s3://bucket/x\.tar\.gz cannot be unpacked"):
        ready(spark_home, place, bucket, "--archives s3://bucket/x.tar.gz#x")


def test_jars_that_emr_has_come_behind_sparks_own(spark_home, place, bucket):
    ready(spark_home, place, bucket, "--conf spark.driver.extraClassPath=/mine/*", jars="/delta.jar")
    assert written(place)["spark.driver.extraClassPath"] == f"/mine/*:{spark_home}/jars/*:/delta.jar"


@pytest.mark.parametrize(
    ("parameters", "properties", "options"),
    [
        ("--conf spark.a=1 --conf=spark.b=2", {"spark.a": "1", "spark.b": "2"}, []),
        ("--conf 'spark.a=x y=z'", {"spark.a": "x y=z"}, []),
        ("--class shop.Main --name nightly --verbose", {}, ["--class", "shop.Main", "--name", "nightly"]),
        ("--master yarn --deploy-mode cluster", {}, []),
        ("--jars s3://b/a.jar", {"spark.jars": "s3://b/a.jar"}, []),
    ],
)
def test_parameters_are_read_as_spark_submit_reads_them(parameters, properties, options):
    assert parse(parameters) == (properties, options)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ("--conf", "needs a value"),
        ("--conf spark.a", "is not key=value"),
        ("spark.a=1", "where an option was expected"),
        ("--conf 'spark.a=1", "cannot be read"),
    ],
)
def test_parameters_that_cannot_be_read_are_named(parameters, said):
    with pytest.raises(JobError, match=said):
        parse(parameters)


def test_without_spark_the_reason_names_the_variable(place, bucket):
    with pytest.raises(JobError, match="LAKEHOUSE_SPARK_HOME is not set"):
        ready(None, place, bucket)


def test_property_files_escape_what_java_would_read_otherwise():
    assert as_properties({"a b": "c\\d\ne"}) == "a\\ b=c\\\\d\\ne\n"
