"""MinIO: an S3 of its own on this machine, whose buckets survive what LocalStack forgets.

Owns how it is started and asked after its health. What is in it is Terraform's and the lake's, as in any other S3.
"""

from __future__ import annotations

from pipelines.platform import aws, toolchain
from pipelines.platform.ports import LOOPBACK, opened
from pipelines.platform.process import Launch, Program, inherited
from pipelines.platform.settings import Endpoints


def program(known: Endpoints) -> Program:
    """MinIO as a program in the background."""
    return Program(
        name="minio",
        title="MinIO",
        port=known.storage_port,
        port_variable="PULSEIQ_STORAGE_PORT",
        home=known.home,
        prepare=lambda: prepare(known),
        probe=lambda: probe(known),
    )


def prepare(known: Endpoints) -> Launch:
    """Say how it is started; its folder is kept from one start to the next."""
    data = known.home / "data" / "minio"
    data.mkdir(parents=True, exist_ok=True)
    env = inherited()
    env |= {
        "MINIO_ROOT_USER": aws.LOCAL_ACCESS_KEY,
        "MINIO_ROOT_PASSWORD": aws.LOCAL_SECRET_KEY,
        # Terraform asks for buckets of its own region, and MinIO has one only.
        "MINIO_SITE_REGION": known.region,
        # Its page would listen on every address, and look for updates elsewhere.
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
    }
    server = [str(toolchain.minio()), "server", "--address", f"{known.listen}:{known.storage_port}", str(data)]
    return Launch(server, env, data)


def probe(known: Endpoints) -> str | None:
    """What it holds, in words; None when it does not answer as MinIO."""
    try:
        with opened(f"http://{LOOPBACK}:{known.storage_port}/minio/health/live", seconds=3) as answer:
            if answer.headers.get("Server") != "MinIO":
                return None
    except OSError:
        return None
    return f"buckets in {known.home / 'data' / 'minio'}"
