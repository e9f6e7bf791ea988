"""Processes that tests start: free ports, and no orphans when the tests themselves are killed."""

from __future__ import annotations

import pwd
import shutil
import socket
import subprocess


def with_parent(signal: str = "KILL", user: str | None = None) -> list[str]:
    """A prefix for a command line: it gets `signal` when we die, however that comes, and runs as `user`.

    util-linux's setpriv does both between fork and exec. Elsewhere (macOS) there is no prefix: then a
    killed test run may leave a server behind, and `user` is not needed, since nobody tests there as root.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return []
    who = [f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--init-groups"] if user else []
    return [setpriv, *who, f"--pdeathsig={signal}", "--"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end(process: subprocess.Popen[str], wait: float = 10) -> None:
    """Asks a process to end, then makes it."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(wait)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
