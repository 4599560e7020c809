"""Rows of benchmarks: what stands in the table, and in the file."""

from __future__ import annotations

import json

from benchmarks.whole.rows import Goal, Row, account, table


def row_of(*figures: float, goal: Goal, strangers: float = 0.0) -> Row:
    row = Row("group", "what", "times", goal)
    for figure in figures:
        row.add(figure, strangers, ours_s=2 * figure, old_s=2.0)
    return row


def test_a_row_says_its_median_and_whether_that_meets_the_goal() -> None:
    met, missed = row_of(9.0, 1.0, 2.0, goal=Goal(most=2)), row_of(0.3, goal=Goal(least=0.5))

    *_, first, second = table([met, missed]).splitlines()

    assert first == "| group | what | 2 times | 1 to 9 | at most 2 | met | ours s 4, old s 2 | 0% |"
    assert "| at least 0.5 | missed |" in second


def test_a_figure_without_a_goal_is_neither_met_nor_missed() -> None:
    assert "| 1 times | 1 to 1 |  |  |" in table([row_of(1.0, goal=Goal())])


def test_a_row_says_where_other_processes_took_much_of_the_machine() -> None:
    assert table([row_of(1.0, goal=Goal(), strangers=0.2)]).endswith("| 20% (too much) |")


def test_the_file_has_every_round_with_the_machine_and_the_commit() -> None:
    kept = json.loads(json.dumps(account([row_of(1.0, 3.0, goal=Goal(most=1))], ["--rounds", "2"])))

    assert kept["machine"]["cores"] >= 1
    assert kept["versions"]["commit"]
    (row,) = kept["rows"]
    assert row["figures"] == [1.0, 3.0]
    assert row["details"]["ours_s"] == [2.0, 6.0]
    assert (row["goal"], row["goal_met"]) == ({"most": 1, "least": None}, False)
