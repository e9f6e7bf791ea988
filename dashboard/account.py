"""Who may look. On loopback nobody signs in; on any other address everything needs the owner's sign-in.

The owner is the only role for now. The first password is for one use: with it one can only choose another.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import get_user_model, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import AbstractBaseUser, Group, User
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import path

OWNER = "owner"
ONE_TIME = "password is for one use"  # the group of those who must choose a password first
_OPEN_PATHS = ("/account/sign-in/", "/alerts/mute/", "/static/", "/health/live", "/health/ready")
_ACCOUNT_PATHS = ("/account/",)
_OWN_CHECK = ("/api/v1/probe",)  # exactly this path: the view asks for a token


def ensure_owner() -> str | None:
    """Create the owner if there is none; the one-time password to print, or None if there was an owner."""
    if get_user_model().objects.filter(is_superuser=True).exists():
        return None
    return reset_owner()


def reset_owner() -> str:
    """Give the owner a new one-time password and return it."""
    password = secrets.token_urlsafe(12)
    owner, _ = User.objects.get_or_create(username=OWNER, defaults={"is_superuser": True, "is_staff": True})
    owner.set_password(password)
    owner.save()
    owner.groups.add(Group.objects.get_or_create(name=ONE_TIME)[0])
    return password


def must_choose_password(user: AbstractBaseUser) -> bool:
    return isinstance(user, User) and user.groups.filter(name=ONE_TIME).exists()


def require_owner(request: HttpRequest) -> None:
    """Raises PermissionDenied. On loopback without sign-in everyone at this machine is the owner."""
    if settings.SIGN_IN and not getattr(request.user, "is_superuser", False):
        raise PermissionDenied


class SignInMiddleware:
    """Every page and API call of a dashboard that is not on loopback needs a signed-in owner."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not settings.SIGN_IN or request.path.startswith(_OPEN_PATHS) or request.path in _OWN_CHECK:
            return self.get_response(request)
        if not request.user.is_authenticated:
            return self._refuse(request)
        if not request.path.startswith(_ACCOUNT_PATHS) and must_choose_password(request.user):
            return redirect("new-password")
        return self.get_response(request)

    def _refuse(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/api/"):
            return JsonResponse({"error": "sign in first"}, status=401)
        query = f"?next={request.path}" if request.method == "GET" and request.path != "/" else ""
        return redirect(f"/account/sign-in/{query}")


@login_required
def new_password(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    form = SetPasswordForm(request.user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = form.save()
        user.groups.remove(*user.groups.filter(name=ONE_TIME))
        update_session_auth_hash(request, user)
        return redirect("home")
    return render(request, "account/new_password.html", {"form": form})


urlpatterns = [
    path("account/sign-in/", LoginView.as_view(template_name="account/sign_in.html"), name="sign-in"),
    path("account/sign-out/", LogoutView.as_view(), name="sign-out"),
    path("account/password/", new_password, name="new-password"),
]
