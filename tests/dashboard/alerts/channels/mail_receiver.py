"""A mail server on loopback that keeps what it takes."""

from __future__ import annotations

import email
import email.policy
import socket
from types import SimpleNamespace

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Handler:
    def __init__(self):
        self.mails, self.answers = [], {}

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if "data" in self.answers:
            return self.answers["data"]
        parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
        user = session.auth_data.login.decode() if session.auth_data else ""
        self.mails.append(
            SimpleNamespace(mail=parsed, to=envelope.rcpt_tos, is_tls=session.ssl is not None, user=user)
        )
        return "250 taken"


def check_password(server, session, envelope, mechanism, auth):
    return AuthResult(success=auth.password == b"the right password", handled=False, auth_data=auth)


def start_mail(**options):
    handler = Handler()
    # Found here: the controller connects to its own port before it says that it is ready.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=port, ready_timeout=20, **options)
    controller.start()
    return SimpleNamespace(controller=controller, handler=handler, mails=handler.mails, port=port)
