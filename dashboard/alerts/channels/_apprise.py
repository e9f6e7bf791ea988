"""Apprise at work: kept apart from its channel, since importing it takes longer than starting does."""

from __future__ import annotations

import logging
import re
import sys

import apprise
from apprise.plugins import NotifyBase

from dashboard.alerts.channels._guard import Seen, guarded
from dashboard.alerts.channels._sending import CLOSING, one_line, refusal, scrub
from dashboard.alerts.channels.base import DeliveryError, Message

# These open connections of their own, or talk to this machine's desktop: not under the rules of `outbound`.
_UNGUARDED = frozenset((
    "amqp", "aprs", "blink1", "dbus", "deltachat", "glib", "gnome", "growl", "irc", "macosx", "mqtt", "nostr",
    "rsyslog", "smpp", "syslog", "windows", "xmpp",
))  # fmt: skip
_TYPES = {
    "info": apprise.NotifyType.INFO,
    "warning": apprise.NotifyType.WARNING,
    "error": apprise.NotifyType.FAILURE,
    "critical": apprise.NotifyType.FAILURE,
}
_LONGEST_S = 45
_MENTION = re.compile(r"@(?=[\w&!<])|<(?=[@!#])")

_log = logging.getLogger("apprise")
_log.propagate = False  # what it says is shown with the delivery, scrubbed
_log.setLevel(logging.WARNING)  # below that it logs what it sends, tokens too


def why_not(url: str) -> str:
    """What is wrong with a URL; empty where it can be sent to."""
    with guarded():
        plugin = _plugin(url)
    if plugin is None:
        return "Apprise knows no such URL, or a part of it is missing"
    return "" if _is_guarded(plugin) else "this service is not sent to over HTTP or SMTP, and is not offered"


def send(url: str, message: Message) -> str:
    """Raises DeliveryError."""
    with guarded() as seen:
        plugin = _plugin(url)
        if plugin is None or not _is_guarded(plugin):
            raise DeliveryError("Apprise cannot send to this URL", permanent=True)
        service = str(plugin.service_name or "the service")
        result = _notify(plugin, message)
    if not result:
        raise _failure(service, seen, result, url)
    return f"{seen.answers[-1].status} from {service}" if seen.answers else f"sent to {service}"


def _asset() -> apprise.AppriseAsset:
    """No files, no threads, no retries of its own: those are the outbox's."""
    return apprise.AppriseAsset(
        app_id="Tailrace",
        app_desc="Tailrace alerts",
        app_url="",
        async_mode=False,
        http_redirects=False,
        pgp_autogen=False,
        pem_autogen=False,
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        service_timeout=_LONGEST_S,
    )


def _plugin(url: str) -> NotifyBase | None:
    try:
        return apprise.Apprise.instantiate(url, asset=_asset())
    except Exception:  # a plug-in that trips over what was typed, which is as wrong as one that says no
        return None


def _is_guarded(plugin: NotifyBase) -> bool:
    """Whether all that it sends goes through requests or smtplib."""
    modules = [
        base.__module__ for base in type(plugin).__mro__ if base.__module__.startswith("apprise.plugins.")
    ]
    names = {module.split(".")[2] for module in modules} - {"base"}
    speaks_http = any(hasattr(sys.modules[module], "requests") for module in modules)
    return bool(names) and not names & _UNGUARDED and (speaks_http or "email" in names)


def _notify(plugin: NotifyBase, message: Message) -> apprise.AppriseResult:
    sender = apprise.Apprise(asset=plugin.asset)
    sender.add(plugin)
    kind = apprise.NotifyType.SUCCESS if message.event in CLOSING else _TYPES.get(message.severity)
    return sender.notify(
        title=_calls_nobody(message.title),
        body=_calls_nobody(message.text() or message.title),
        notify_type=kind or apprise.NotifyType.WARNING,
        body_format=apprise.NotifyFormat.TEXT,
    )


def _calls_nobody(text: str) -> str:
    """Several services read `@everyone` or `<!channel>` in a text: parted by a space of no width they do not."""
    return _MENTION.sub(lambda found: found[0] + "\u200b", text)


def _failure(service: str, seen: Seen, result: apprise.AppriseResult, url: str) -> DeliveryError:
    """Apprise says only that it failed; the reason is in what came back, or else in what it logged."""
    hidden = [url, *re.split(r"[/?&=:@,]+", url.partition("://")[2])]
    if seen.errors:
        error = seen.errors[-1]
        return DeliveryError(f"{service}: {error}", permanent=error.permanent)
    refused = [answer for answer in seen.answers if not answer.is_success]
    if refused:
        told = refusal(refused[-1].status, refused[-1].text(), refused[-1].retry_after_s(), hidden)
        return DeliveryError(
            f"{service} {told}",
            permanent=told.permanent,
            of_message=told.of_message,
            retry_after_s=told.retry_after_s,
        )
    logged = [one_line(str(entry.message), 200) for entry in result.logs()]
    said = scrub(logged[-1], hidden) if logged else "Apprise does not say why"
    return DeliveryError(f"{service}: not sent: {said}")
