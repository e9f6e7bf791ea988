"""Why a request to the API is not served."""

from __future__ import annotations

from math import ceil

from django.http import JsonResponse


class Refused(Exception):
    """`message` is one sentence for the sender; `retry_after` are the seconds after which it may try again."""

    def __init__(self, status: int, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_after = status, message, retry_after

    def response(self) -> JsonResponse:
        answer = JsonResponse({"error": self.message}, status=self.status)
        if self.retry_after is not None:
            answer["Retry-After"] = str(max(1, ceil(self.retry_after)))
        if self.status == 401:
            answer["WWW-Authenticate"] = "Bearer"
        return answer
