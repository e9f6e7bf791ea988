"""`python -m tests.accuracy`: the parts together, the table, its place in the page, and the exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.accuracy import __main__ as accuracy
from tests.accuracy.__main__ import BEGIN, END, Cell, Counts, lines_of, main, not_read, write
from tests.recordings import RECORDINGS

CELL = Cell("never_closed", "4.8.9", Counts(expected=2, found=2))


@pytest.mark.postgres
def test_it_counts_streams_and_runs_of_the_recordings_that_come_with_the_tests(capsys):
    assert main([str(RECORDINGS)]) == 0
    out = capsys.readouterr().out
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines() if line.startswith("|")
    ]
    kinds = {row[0] for row in rows}
    assert {"write_after_close", "protocol_violation", "duplicate_event", "live_reader_diverges"} <= kinds
    assert {"4.8.9", "python-0.12.0", "postgres 4.3.7", "vercel 4.1.2"} <= {row[1] for row in rows}
    (total,) = [row for row in rows if row[0] == "all"]
    expected, _, missed, false = map(int, total[2:6])
    assert expected > 200 and (missed, false) == (0, 0)
    assert "recall 1.000" in out


@pytest.mark.parametrize("counts", [Counts(expected=1, missed=1), Counts(found=1, false=1)])
def test_a_miss_or_a_false_finding_fails(counts: Counts, monkeypatch, capsys, tmp_path: Path):
    monkeypatch.setattr(
        accuracy, "PARTS", (lambda _: iter([CELL, Cell("x", "y", counts, ("missed: x in y",))]),)
    )
    assert main([str(tmp_path)]) == 1
    assert "missed: x in y" in capsys.readouterr().out


def test_no_recordings_are_no_success(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(accuracy, "PARTS", (lambda _: iter(()),))
    assert main([str(tmp_path)]) == 1


def test_recordings_of_one_set_are_summed():
    lines = list(lines_of([CELL, CELL, Cell("never_closed", "4.2.4", Counts(1, 1))], []))
    assert [line.split()[5:8:2] for line in lines if "| 4.8.9" in line] == [["4", "4"]]
    assert sum("never_closed" in line for line in lines) == 2


def test_recordings_of_postgresql_are_not_right_where_there_is_none(tmp_path: Path, monkeypatch):
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "postgres-4.3.7.sql.gz").touch()
    (tmp_path / "postgres" / "schema-4.1.1.sql.gz").touch()
    assert list(not_read(tmp_path)) == []
    monkeypatch.setattr(accuracy, "find_postgres", lambda: None)
    (line,) = not_read(tmp_path)
    assert line.startswith("postgres: not counted") and "(1 recordings)" in line


def test_the_table_goes_between_its_marks_and_nothing_else_changes(tmp_path: Path):
    page = tmp_path / "accuracy.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write(["new"], page)
    assert page.read_text() == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    page.write_text("a page without a place for it")
    with pytest.raises(SystemExit):
        write(["new"], page)
