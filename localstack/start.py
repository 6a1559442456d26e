"""Start LocalStack as an ordinary process, with what its configuration does not offer.

Runs in LocalStack's own environment; `pipelines.platform.localstack` starts it, in the foreground and as a process of
its own. This folder must not become a package: LocalStack's own has this name.
"""

import functools
import os
import resource
from pathlib import Path


def raise_file_limit() -> None:
    """Each S3 object over 512 kB is an open file, and the usual soft limit is 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def keep_objects_in(folder: Path) -> None:
    """LocalStack keeps S3 objects in one fixed folder of /tmp, so two of them would delete each other's files."""
    from localstack.services.s3 import provider

    if not hasattr(provider, "DEFAULT_S3_TMP_DIR"):
        raise SystemExit("localstack/start.py does not fit this LocalStack: the folder of its S3 objects is not known")
    provider.DEFAULT_S3_TMP_DIR = str(folder)


def listen_where_told() -> None:
    """Without this, the host in GATEWAY_LISTEN is read, shown, and not used: it listens to the whole network."""
    from twisted.internet import endpoints

    from localstack import config

    host = config.GATEWAY_LISTEN[0].host
    endpoints.TCP4ServerEndpoint = functools.partial(endpoints.TCP4ServerEndpoint, interface=host)


def keep_catalog_in(folder: Path) -> None:
    """Index all services' API models once for the machine, in a child whose 350 MB end with it."""
    from localstack.aws import spec

    from localstack import config

    file = folder / spec._get_catalog_filename()
    if not file.exists():
        child = os.fork()
        if child == 0:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                draft = file.with_suffix(f".{os.getpid()}")
                spec.build_service_index_cache(str(draft))
                draft.replace(file)
            finally:
                os._exit(0)  # without the index LocalStack makes its own
        os.waitpid(child, 0)
    config.dirs.static_libs = str(folder)


if __name__ == "__main__":
    raise_file_limit()
    listen_where_told()
    keep_catalog_in(Path(os.environ["PULSEIQ_CATALOG_FOLDER"]))
    keep_objects_in(Path(os.environ["PULSEIQ_S3_FOLDER"]))
    from localstack.runtime.main import main

    main()
