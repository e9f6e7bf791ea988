#!/usr/bin/env python3
"""The same as the `tailrace` command, from a checkout."""

import sys

from dashboard.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
