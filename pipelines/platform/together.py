"""Several programs as one: run some to their end, then others side by side; the end of any of these ends all.

A script of its own, without the project on its path: `together.py '[[[first, ...], ...], [[program, ...], ...]]'`.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time


def main() -> int:
    """Returns the exit code of the first that failed or ended."""
    first, programs = json.loads(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for argv in first:
        code = subprocess.call(argv)
        if code:
            print(f"{' '.join(argv)} ended with {code}", flush=True)
            return code
    running = {" ".join(argv): subprocess.Popen(argv) for argv in programs}
    try:
        while True:
            for name, child in running.items():
                if child.poll() is not None:
                    print(f"{name} ended with {child.returncode}", flush=True)
                    return child.returncode or 1
            time.sleep(0.5)
    finally:
        for child in running.values():
            child.terminate()
        for child in running.values():
            try:
                child.wait(timeout=15)
            except subprocess.TimeoutExpired:
                child.kill()


if __name__ == "__main__":
    sys.exit(main())
