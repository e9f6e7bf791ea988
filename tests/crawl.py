"""Visits every link of the site that a person could click, from the front page on."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser
from urllib.parse import parse_qs, urldefrag, urljoin, urlsplit

from django.test import Client

# Filters and orders multiply: of the addresses of one kind of page that set the same parameters so many are visited.
SAME = 3
EACH = {"of"}  # but every value, whose name is a parameter
PLACES = {"w", "runs", "steps", "streams", "chunks"}  # a name follows


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if value and name in {"href", "hx-get", "src", "data-detail", "data-url"} and tag != "use":
                self.found.append(value)


def crawl(client: Client, start: str = "/") -> dict[str, int]:
    """Every address reached and its status; redirects are followed. Raises what a view raises."""
    seen: dict[str, int] = {}
    visited: Counter[tuple[str, ...]] = Counter()
    waiting = [start]
    while waiting:
        url = waiting.pop()
        if url in seen:
            continue
        if shape := _shape(url):
            visited[shape] += 1
            if visited[shape] > SAME:
                continue
        answer = client.get(url, follow=True)
        seen[url] = answer.status_code
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            links = _Links()
            links.feed(answer.content.decode())
            waiting += [link for found in links.found if (link := _inside(url, found)) and link not in seen]
    return seen


def _shape(url: str) -> tuple[str, ...]:
    """The kind of page and the parameters; empty for an address that is always visited."""
    parts = urlsplit(url)
    fields = parse_qs(parts.query, keep_blank_values=True)
    if not fields or EACH & fields.keys():
        return ()
    steps = parts.path.split("/")
    kind = ["*" if before in PLACES else step for before, step in zip(["", *steps], steps, strict=False)]
    return ("/".join(kind), *sorted(fields))


def _inside(page: str, link: str) -> str | None:
    whole = urldefrag(urljoin(f"http://testserver{page}", link)).url
    parts = urlsplit(whole)
    if parts.netloc != "testserver" or parts.path.startswith("/static/"):
        return None
    return parts.path + (f"?{parts.query}" if parts.query else "")
