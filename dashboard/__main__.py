"""`tailrace`: commands that need no database run without Django, everything else through its commands."""

from __future__ import annotations

import os
import sys
import tempfile


def main(argv: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    name = arguments[0] if arguments else "help"
    if name == "scan":
        from dashboard.anomalies.scan import scan_main

        return scan_main(arguments[1:], sys.stdout, sys.stderr)
    if name == "decode":
        from dashboard.decode_command import decode_main

        return decode_main(arguments[1:], sys.stdin.buffer, sys.stdout, sys.stderr)
    if name == "proxy":
        from dashboard.proxy.command import proxy_main

        return proxy_main(arguments[1:], sys.stdout, sys.stderr)
    _set_data(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(["tailrace", *arguments])
    return 0


def _set_data(arguments: list[str]) -> None:
    """`--data DIR` decides where the database is, so settings must know it before Django starts.

    A demo or an opened bundle without it is to leave nothing behind in the working directory.
    """
    for at, argument in enumerate(arguments):
        if argument == "--data" and at + 1 < len(arguments):
            os.environ["TAILRACE_DATA"] = arguments[at + 1]
        elif argument.startswith("--data="):
            os.environ["TAILRACE_DATA"] = argument.removeprefix("--data=")
    has_data = any(one.split("=")[0] == "--data" for one in arguments)
    if arguments[:1] in (["demo"], ["open"]) and not has_data:
        os.environ["TAILRACE_DATA"] = tempfile.mkdtemp(prefix=f"tailrace-{arguments[0]}-data-")


if __name__ == "__main__":
    sys.exit(main())
