"""One settings file, driven by the environment: embedded by default, scaled out by variables alone.

Every `TAILRACE_*` variable is described in docs/settings.md. `tailrace serve` sets those that follow from its
options before Django starts.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from dashboard.lib import env

PACKAGE = Path(__file__).resolve().parent
BASE = PACKAGE.parent


def _shipped(name: str) -> Path:
    """Templates and static files lie beside the package in a checkout, inside it in a wheel."""
    inside = PACKAGE / name
    return inside if inside.is_dir() else BASE / name


DATA = Path(env.text("TAILRACE_DATA", ".tailrace")).expanduser().resolve()
DEBUG = env.flag("TAILRACE_DEBUG")
HTTPS = env.flag("TAILRACE_HTTPS")
SIGN_IN = env.flag("TAILRACE_SIGN_IN", default=True)  # serve turns it off on loopback
DATABASE_URL = env.text("TAILRACE_DATABASE_URL")
REDIS_URL = env.text("TAILRACE_REDIS_URL")
KEEP = env.text("TAILRACE_KEEP")  # an age, a size or both: 30d,2GB
KEY_SECRET = env.secret("TAILRACE_KEY_SECRET", 16)  # seals the keys of worlds at rest
SERVED_WORLD: int | None = None  # serve sets it: the world meant by a probe on loopback that names none
INTAKE_REQUESTS = env.number("TAILRACE_INTAKE_REQUESTS", 200, 0.1, 100_000)  # a second and token
INTAKE_RECORDS = env.number("TAILRACE_INTAKE_RECORDS", 50_000, 1, 10_000_000)
INTAKE_WAITING_MB = env.number("TAILRACE_INTAKE_WAITING_MB", 512, 1, 1_000_000)  # of one world, not applied
BASE_URL = env.base_url("TAILRACE_BASE_URL")  # how links in messages begin; serve knows its own address
OUTBOUND_ALLOW = env.words(
    "TAILRACE_OUTBOUND_ALLOW"
)  # hosts and networks that alerts may reach though private
SWEEP_SECONDS = env.number("TAILRACE_SWEEP_SECONDS", 10, 0.1, 3600)


def _secret_key() -> str:
    """From the environment, else from the data directory; else one that lives as long as this process."""
    given = env.text("TAILRACE_SECRET_KEY")
    kept = DATA / "secret-key"
    if given:
        return given
    return kept.read_text().strip() if kept.is_file() else secrets.token_urlsafe(64)


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = env.words("TAILRACE_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in ALLOWED_HOSTS if host != "*"] if HTTPS else []

INSTALLED_APPS = [
    "daphne",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "django_htmx",
    "runs",
    "streams",
    "dashboard.anomalies",
    "dashboard.alerts",
    "dashboard",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "dashboard.account.SignInMiddleware",
    "dashboard.headers.ContentSecurityMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "dashboard.urls"
ASGI_APPLICATION = "dashboard.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [_shipped("templates")],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "dashboard.pages.context.page_context",
            ]
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def _sqlite() -> dict[str, Any]:
    pragmas = (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=67108864;"
        " PRAGMA cache_size=-65536; PRAGMA mmap_size=268435456; PRAGMA temp_store=MEMORY"
    )
    # IMMEDIATE: a read that turns into a write would otherwise fail at once with "database is locked".
    options = {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": pragmas}
    name = str(DATA / "tailrace.sqlite3")
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "CONN_MAX_AGE": None, "OPTIONS": options}


def _postgresql(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
        raise ImproperlyConfigured(
            "TAILRACE_DATABASE_URL must read postgresql://user:password@host:port/database"
        )
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": dict(parse_qsl(parts.query)),
    }


DATABASES = {"default": _postgresql(DATABASE_URL) if DATABASE_URL else _sqlite()}


def _channel_layer() -> dict[str, Any]:
    if not REDIS_URL:
        return {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 1000}}
    return {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}


CHANNEL_LAYERS = {"default": _channel_layer()}

CELERY_BROKER_URL = REDIS_URL or "memory://localhost/"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    # Visibility above the longest task; restoring one at a time keeps a restart from flooding the workers.
    {"visibility_timeout": 3600, "unacked_restore_throttle": 1} if REDIS_URL else {"polling_interval": 0.02}
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

STATIC_URL = "/static/"
STATICFILES_DIRS = [_shipped("static")]
STATIC_ROOT = env.text("TAILRACE_STATIC_ROOT") or None
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MIMETYPES = {
    ".cjs": "text/javascript",
    ".py": "text/x-python",
}  # the probes, to be read or fetched

LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]
SESSION_COOKIE_NAME = "tailrace_session"
CSRF_COOKIE_NAME = "tailrace_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
TEST_RUNNER = "django.test.runner.DiscoverRunner"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"terminal": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["terminal"], "level": env.text("TAILRACE_LOG_LEVEL", "WARNING").upper()},
    "loggers": {"tailrace": {"level": env.text("TAILRACE_LOG_LEVEL", "INFO").upper()}},
}
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
