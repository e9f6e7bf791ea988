"""The product's settings with a data directory of its own and, as on loopback, no sign-in."""

import os
import tempfile

os.environ.setdefault("TAILRACE_DATA", tempfile.mkdtemp(prefix="tailrace-test-"))

from dashboard.settings import *  # noqa: F403

SIGN_IN = False
CELERY_TASK_ALWAYS_EAGER = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
