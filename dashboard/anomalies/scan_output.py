"""The options of `tailrace scan` that say what is written where, and what is known already."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from dashboard.anomalies import baseline
from dashboard.anomalies.baseline import Baseline, BaselineError
from dashboard.anomalies.detectors.base import Found
from dashboard.anomalies.junit import as_junit
from dashboard.anomalies.report import Report
from dashboard.anomalies.sarif import HELP_URL, as_sarif

FORMATS = ("text", "json", "sarif", "junit")


class OutputError(Exception):
    """What was asked for cannot be read or written; says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Known:
    """Which findings a baseline knows; `is_given` where there is one."""

    report: Report
    baseline: Baseline
    is_given: bool

    def __call__(self, found: Found) -> bool:
        return self.is_given and self.baseline.knows(found, self.report)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=FORMATS, help="%(choices)s; default text")
    parser.add_argument("--json", action="store_true", help="the same as --format json")
    parser.add_argument("--output", metavar="FILE", help="write there instead of to standard output")
    parser.add_argument("--baseline", metavar="FILE", help="what is known there is marked and fails nothing")
    parser.add_argument(
        "--write-baseline",
        metavar="FILE",
        help="write all that is found there; all of it is known from now on",
    )
    parser.add_argument(
        "--baseline-exact", action="store_true", help="tell streams apart: a known kind in another one is new"
    )
    parser.add_argument(
        "--help-url", metavar="URL", default=HELP_URL, help="for SARIF: a dashboard; default %(default)s"
    )


def check(options: argparse.Namespace) -> Baseline | None:
    """Before the world is read. Raises OutputError; returns the baseline that was given."""
    if options.json and options.format not in (None, "json"):
        raise OutputError("--json and --format contradict each other")
    if options.baseline_exact and not (options.baseline or options.write_baseline):
        raise OutputError("--baseline-exact needs --baseline or --write-baseline")
    options.format = "json" if options.json else options.format or "text"
    if options.baseline is None:
        return None
    try:
        return baseline.read(options.baseline, is_exact=options.baseline_exact)
    except BaselineError as error:
        raise OutputError(str(error)) from None


def known_of(report: Report, given: Baseline | None, options: argparse.Namespace) -> Known:
    """What is known of this report; writes the baseline that was asked for. Raises OutputError."""
    if options.write_baseline is None:
        return Known(report, given or Baseline({}), given is not None)
    text = baseline.as_text(report)
    try:
        Path(options.write_baseline).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{options.write_baseline} cannot be written: {error.strerror}") from None
    written = baseline.parse(text.encode(), options.write_baseline, is_exact=options.baseline_exact)
    return Known(report, written, True)


def write(
    report: Report,
    known: Known,
    options: argparse.Namespace,
    stdout: TextIO,
    writers: dict[str, Callable[[], str]],
) -> None:
    """In the chosen format, to standard output or to a file. `writers` are the formats of the caller."""
    makers = writers | {
        "sarif": lambda: (
            json.dumps(as_sarif(report, options.help_url, known if known.is_given else None), indent=2) + "\n"
        ),
        "junit": lambda: as_junit(report, options.fail_on, known),
    }
    text = makers[options.format]()
    try:
        with (
            Path(options.output).open("w", encoding="utf-8") if options.output else nullcontext(stdout) as to
        ):
            to.write(text)
    except OSError as error:
        if options.output is None:
            raise
        raise OutputError(f"{options.output} cannot be written: {error.strerror}") from None
