"""The AWS provider, unchanged, on the services that localstack/extension adds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.platform import aws, toolchain
from pipelines.platform.settings import Settings

pytestmark = [pytest.mark.terraform, pytest.mark.integration]

Run = Callable[..., str]


@pytest.fixture(scope="module")
def run(services: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs Terraform in a copy of the folder; what a failed test leaves is destroyed."""
    folder = tmp_path_factory.mktemp("extension")
    shutil.copy(Path(__file__).parent / "extension" / "main.tf", folder)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    environment = inherited | toolchain.terraform_environment(folder) | {"TF_VAR_endpoint": str(services.endpoint_url)}

    def terraform(command: str, *arguments: str, expected: int = 0) -> str:
        done = subprocess.run(
            [*toolchain.terraform(), command, "-no-color", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == expected, done.stdout + done.stderr
        return done.stdout

    terraform("init", "-input=false")
    yield terraform
    if json.loads((folder / "terraform.tfstate").read_text())["resources"]:
        terraform("destroy", "-auto-approve", "-var=broker_nodes=2")


def test_every_resource_is_created_changed_and_destroyed(run: Run, services: Settings):
    # The provider itself waits 30 s before it first asks after an application that it made or deleted.
    run("apply", "-auto-approve", "-var=broker_nodes=2")
    assert json.loads(run("output", "-json"))["brokers"]["value"] == {
        "provisioned": services.bootstrap_servers,
        "serverless": services.bootstrap_servers,
    }
    changed = run("apply", "-auto-approve", "-var=broker_nodes=4")
    assert "Apply complete! Resources: 0 added, 8 changed, 0 destroyed." in changed
    assert "No changes." in run("plan", "-detailed-exitcode", "-var=broker_nodes=4")
    destroyed = run("destroy", "-auto-approve", "-var=broker_nodes=4")
    assert "Destroy complete! Resources: 9 destroyed." in destroyed
    left = aws.client(services, "kafka").list_clusters_v2()["ClusterInfoList"]
    assert [cluster for cluster in left if cluster["ClusterName"] in ("provisioned", "serverless")] == []
