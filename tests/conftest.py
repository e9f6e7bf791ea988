"""The real parts that tests run against, each as a fixture; a test that asks for one is marked by that.

| fixture | gives |
|---|---|
| `postgres_url` | the URL of a PostgreSQL server of our own (one for the session) |
| `postgres_database` | the URL of a new empty database in it (one for each test) |
| `redis_url` | the URL of a Redis server of our own (one for the session) |
| `browser` | Chromium, driven by Playwright's synchronous interface (one for each test file) |
| `page` | a page in a new context; the test fails on what the browser's console reports as an error |
| `page_errors` | what `page` has reported; `page_errors.allow("pattern")` for what a test provokes |
| `lab` | `lab("4.8.9")`: the built app of real workflows for that SDK (tests/lab) |
| `run_lab` | the same app running: `run_lab("4.8.9", data_dir, ["slow"])`, ended after the test |
| `axe` | `axe(page)`: the serious and critical faults that axe-core finds on the page that is open |
| `serve` | `serve(world, data, *args, env=...)`: Tailrace as a process of its own, killed after the test |

While a `browser` is there Playwright keeps an event loop running in this thread, so tests in such a file
neither use the ORM nor are coroutines: they look at the server from outside, by HTTP, browser or sqlite3.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, sync_playwright

from tests import servers
from tests.axe import find_axe
from tests.lab import LabApp, LabRun
from tests.needs import LEAVE_OUT, NEEDS, left_out
from tests.processes import end
from tests.server_process import Server

NEEDED_BY = {
    "postgres_url": "postgres",
    "redis_url": "redis",
    "browser": "browser",
    "axe": "axe",
    "lab": "sdk",
}
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# Long enough for two busy cores.
PAGE_TIMEOUT_MS = 15_000


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what the environment says, and stops at once if anything else is missing."""
    without = left_out()
    dropped = [item for item in items if _needs(item) & without]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if not _needs(item) & without]
        _say_what_is_left_out(config, without, dropped)
    needed = set().union(*(_needs(item) for item in items))
    missing = [NEEDS[name].missing_message() for name in sorted(needed) if NEEDS[name].find() is None]
    if missing and not config.option.collectonly:
        raise pytest.UsageError(" ".join([*missing, "`make test` installs what it may."]))


def _say_what_is_left_out(config: pytest.Config, without: Iterable[str], dropped: list[pytest.Item]) -> None:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    for name in sorted(without):
        tests = [item for item in dropped if name in _needs(item)]
        terminal.write_line(f"{LEAVE_OUT}={name} leaves out {len(tests)} of the tests: {NEEDS[name].what}")


def _needs(item: pytest.Item) -> set[str]:
    fixtures = {NEEDED_BY[name] for name in getattr(item, "fixturenames", ()) if name in NEEDED_BY}
    return fixtures | {name for name in NEEDS if item.get_closest_marker(name)}


def _found(name: str) -> Path:
    found = NEEDS[name].find()
    if not isinstance(found, Path):
        pytest.fail(NEEDS[name].missing_message(), pytrace=False)
    return found


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """What the product keeps in memory by primary key, which each test gives out anew."""
    for module, forget in (("dashboard.anomalies.detect", "forget"), ("streams.ingest", "forget")):
        if module in sys.modules:
            getattr(sys.modules[module], forget)()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with servers.postgres(_found("postgres")) as url:
        yield url


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    with servers.database(postgres_url, f"test_{uuid4().hex}") as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with servers.redis(_found("redis")) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not for the whole session: its event loop would stand in the way of every later asynchronous test.
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=_found("browser"), args=CHROMIUM_ARGS)
        yield chromium
        chromium.close()


class PageErrors(list[str]):
    """What went wrong in a page, in words; what a test provokes itself is not kept."""

    def __init__(self) -> None:
        super().__init__()
        self._allowed: list[re.Pattern[str]] = []

    def allow(self, pattern: str) -> None:
        self._allowed.append(re.compile(pattern))

    def add(self, said: str) -> None:
        if not any(pattern.search(said) for pattern in self._allowed):
            self.append(said)

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.add(f"uncaught: {_stack(error)}"))
        page.on("console", self._console)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.add(f"console: {message.text} ({message.location.get('url')})")


def _stack(error: Error) -> str:
    return error.stack or error.message


@pytest.fixture
def page_errors() -> PageErrors:
    return PageErrors()


@pytest.fixture
def page(browser: Browser, page_errors: PageErrors) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(PAGE_TIMEOUT_MS)
    context.on("page", page_errors.watch)
    yield context.new_page()
    context.close()
    assert page_errors == [], "the browser reported errors"


@pytest.fixture(scope="session")
def axe() -> Callable[[Page], list[str]]:
    script = find_axe()
    assert script is not None
    source = script.read_text()

    def faults(page: Page) -> list[str]:
        page.evaluate(source)  # not as an element: the page's own policy lets no other script in
        found = page.evaluate(
            "axe.run({ resultTypes: ['violations'] }).then(({ violations }) => violations.map((one) =>"
            " [one.impact, one.id, one.help, one.nodes.slice(0, 5).map((node) => node.html.slice(0, 200))]))"
        )
        return [
            f"{rule}: {words}: {places}"
            for impact, rule, words, places in found
            if impact in ("serious", "critical")
        ]

    return faults


@pytest.fixture(scope="session")
def lab() -> Callable[[str], LabApp]:
    def built(version: str) -> LabApp:
        app = LabApp(version)
        app.build()
        return app

    return built


@pytest.fixture
def run_lab(lab: Callable[[str], LabApp]) -> Iterator[Callable[..., LabRun]]:
    started: list[LabRun] = []

    def run(
        version: str, data: Path, scenarios: Sequence[str], env: Mapping[str, str] | None = None
    ) -> LabRun:
        started.append(lab(version).run(data, scenarios, env))
        return started[-1]

    yield run
    for process in started:
        end(process)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(
        world: Path | str | None, data: Path, *args: str, env: Mapping[str, str] | None = None
    ) -> Server:
        started.append(Server(world, data, *args, env=env))
        return started[-1]

    yield start
    for server in started:
        end(server.process)
