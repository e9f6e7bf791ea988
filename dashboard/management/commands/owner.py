"""`tailrace owner`: give the owner a new one-time password."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from dashboard.account import OWNER, reset_owner


class Command(BaseCommand):
    help = "Give the owner a new one-time password and print it."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"sign in as {OWNER} with the one-time password {reset_owner()}")
