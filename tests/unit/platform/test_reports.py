"""A site in the reports bucket: every file with its content type, and nothing that is no longer in it."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from pipelines.errors import ServiceError
from pipelines.platform import reports
from pipelines.platform.settings import Settings

SETTINGS = Settings("aws", Path(), "eu-central-1", None, "", "lake", "artifacts", "reports", "")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        client = boto3.client("s3", region_name="eu-central-1")
        client.create_bucket(Bucket="reports", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield client


def test_files_go_up_with_their_types_and_lost_ones_go_away(s3, tmp_path):
    for name in ("index.html", "a/style.css", "a/code.js", "a/font.woff2", "a/logo.png", "a/LICENSE"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    for key in ("shop/quality/old.html", "shop/other.html"):
        s3.put_object(Bucket="reports", Key=key, Body=b"")
    assert reports.publish(SETTINGS, tmp_path, "shop/quality") == "s3://reports/shop/quality/"
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket="reports")["Contents"]]
    types = {key: s3.head_object(Bucket="reports", Key=key)["ContentType"] for key in keys}
    assert types == {
        "shop/other.html": types["shop/other.html"],
        "shop/quality/index.html": "text/html; charset=utf-8",
        "shop/quality/a/style.css": "text/css; charset=utf-8",
        "shop/quality/a/code.js": "text/javascript; charset=utf-8",
        "shop/quality/a/font.woff2": "font/woff2",
        "shop/quality/a/logo.png": "image/png",
        "shop/quality/a/LICENSE": "application/octet-stream",
    }


def test_a_bucket_that_is_not_there_is_said_in_words(tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws(), pytest.raises(ServiceError, match="s3://reports/shop/quality/ does not take the report"):
        reports.publish(SETTINGS, tmp_path, "shop/quality")
