"""The pages of `padiff ui` in a browser: the list of runs, one that is running, two against each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import page_reports
import pytest

from padiff_client.run_progress import ProgressTeller
from padiff_compare.report.kept_run import RunWriter
from padiff_rpc.v1.records import Progress, ReportSoFar, SideProgress
from padiff_rpc.v1.words import Phase, Side

WHOLE = page_reports.trained("eeee5555", 2e-3, 1.7e9 + 7 * 3600)
# What a coordinator tells before the first step.
EARLY = replace(WHOLE.summary, steps=(), first_divergence=None, hyper_parameters=())


def shown(page: Any) -> list[str]:
    """Returns the texts of the list's lines."""
    texts = page.get_by_role("table", name="Kept runs").locator("tbody tr").all_inner_texts()
    return [text.strip() for text in texts]


def line(page: Any, text: str) -> Any:
    return page.get_by_role("table", name="Kept runs").locator("tbody tr").filter(has_text=text)


def until(page: Any, claim: str, *given: Any) -> None:
    """Waits until a claim about the page, in JavaScript, holds."""
    page.wait_for_function(claim, arg=list(given))


def until_said(page: Any, text: str) -> None:
    page.get_by_text(text).first.wait_for()


@pytest.fixture
def writer(store: Path) -> Iterator[RunWriter]:
    """A comparison that is running, with its plan and the rows of step 0."""
    with RunWriter(store / WHOLE.summary.session, page_reports.head_of(WHOLE)) as writing:
        writing.add_so_far(ReportSoFar(summary=EARLY))
        writing.add_rows(WHOLE.rows[:24])
        yield writing


@pytest.fixture
def running(writer: RunWriter, runs: Any) -> Any:
    """The page of that comparison."""
    line(runs, "RUNNING").get_by_role("link").click()
    runs.get_by_role("treegrid").wait_for()
    return runs


def test_the_token_leaves_the_address_and_is_hidden_from_scripts(runs: Any, served: str) -> None:
    assert runs.url == served.partition("?")[0]
    assert runs.evaluate("document.cookie") == ""


def test_the_list_tells_of_each_run_how_it_ended_and_where_it_parts(runs: Any) -> None:
    texts = shown(runs)
    assert [text.split()[0] for text in texts] == ["PASS", "FAIL", "FAIL", "CUT"]
    assert "output 0 of encoder.norm" in texts[1]
    assert "interrupted by Ctrl-C" in texts[3]
    assert "12.5 s" in texts[0]


def test_the_list_is_sorted_by_any_column_and_back(runs: Any) -> None:
    head = runs.get_by_role("columnheader", name="verdict")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert [text.split()[0] for text in shown(runs)] == ["FAIL", "FAIL", "CUT", "PASS"]
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert shown(runs)[0].startswith("PASS")


def test_search_and_verdicts_filter_the_list(runs: Any) -> None:
    runs.keyboard.press("/")
    runs.keyboard.type("encoder.norm")
    assert len(shown(runs)) == 2
    runs.get_by_role("button", name="fail 2").click()
    assert runs.get_by_text("Nothing fits").is_visible()
    runs.get_by_role("searchbox").fill("")
    assert len(shown(runs)) == 2


def test_a_run_opens_as_the_page_of_its_report_and_leads_back(runs: Any) -> None:
    line(runs, "PASS").get_by_role("link").click()
    runs.get_by_role("treegrid").wait_for()
    assert runs.title().startswith("PASS")
    runs.get_by_role("link", name="Kept runs").click()
    runs.get_by_role("table", name="Kept runs").wait_for()
    assert len(shown(runs)) == 4


def test_arrow_keys_walk_the_list_and_enter_opens_a_run(runs: Any) -> None:
    runs.get_by_role("link").first.focus()
    runs.keyboard.press("ArrowDown")
    runs.keyboard.press("Enter")
    runs.get_by_role("region", name="First divergence").wait_for()
    assert runs.url.endswith("/runs/bbbb2222#row=37")


def test_a_comparison_that_begins_and_ends_joins_the_list_by_itself(runs: Any, store: Path) -> None:
    box = line(runs, "PASS").get_by_role("checkbox")
    box.check()
    with RunWriter(store / WHOLE.summary.session, page_reports.head_of(WHOLE)) as writing:
        writing.add_rows(WHOLE.rows[:24])
        line(runs, "RUNNING").wait_for()
        assert "backward of step 0, 24 rows so far" in shown(runs)[0]
        writing.end(WHOLE)
    line(runs, "RUNNING").wait_for(state="detached")
    assert shown(runs)[0].startswith("FAIL")
    assert box.is_checked()


def test_a_running_comparison_shows_its_rows_as_they_come_and_then_its_verdict(
    running: Any, writer: RunWriter
) -> None:
    assert running.title().startswith("RUNNING: backward of step 0")
    assert running.get_by_role("region", name="Verdict").inner_text().split() == ["●", "12", "agree"]
    writer.add_rows(WHOLE.rows[24:48])
    running.get_by_role("region", name="First divergence").wait_for()
    assert running.title().startswith("RUNNING: backward of step 1")
    writer.end(WHOLE)
    running.get_by_role("status").get_by_text("FAIL").wait_for()
    assert running.title() == "FAIL: " + running.get_by_role("heading", level=1).inner_text()
    # It asks no more.
    with running.expect_event("request", timeout=20_000) as asked:
        running.get_by_role("link", name="Kept runs").click()
    assert "/content" not in asked.value.url


def test_a_running_comparison_tells_how_far_it_is_until_it_ends(running: Any, writer: RunWriter) -> None:
    def told(done: int) -> Progress:
        sides = tuple(SideProgress(side=side, calls_done=done, calls_known=20_000) for side in Side)
        return Progress(
            session=WHOLE.summary.session,
            phase=Phase.FORWARD,
            step=1,
            steps=3,
            text="in lockstep",
            sides=sides,
        )

    ProgressTeller().tell(writer.folder, told(5_000))
    line = running.get_by_role("region", name="Progress")
    line.get_by_text("forward, step 1 (2 of 3), in lockstep").wait_for()
    assert "reference 5,000 of 20,000 calls, candidate 5,000" in line.inner_text()
    assert "running for" in line.inner_text()
    until(running, "() => document.querySelector('progress').value === 0.25")
    ProgressTeller().tell(writer.folder, told(15_000))
    until(running, "() => document.querySelector('progress').value === 0.75")
    writer.end(WHOLE)
    running.get_by_role("status").get_by_text("FAIL").wait_for()
    line.wait_for(state="detached")


def test_who_has_chosen_nothing_follows_the_newest_step_to_the_first_divergence(
    running: Any, writer: RunWriter
) -> None:
    writer.add_rows(WHOLE.rows[24:30])
    slider = running.get_by_role("slider", name="Step", exact=True)
    slider.wait_for()
    assert slider.get_attribute("aria-valuetext") == "step 1"
    writer.add_rows(WHOLE.rows[30:48])
    details = running.get_by_role("complementary", name="Details")
    details.get_by_text("output 0 of encoder.norm").wait_for()


def test_what_is_open_chosen_searched_and_scrolled_to_stays_while_rows_come(
    running: Any, writer: RunWriter
) -> None:
    tree = running.get_by_role("treegrid").locator(".list-body [role=row]")
    tree.filter(has_text="encoder").locator(".twist").first.click()
    closed = tree.count()
    running.get_by_role("tab", name="Comparisons").click()
    rows = running.get_by_role("grid", name="Comparisons").locator(".list-body [role=row]")
    rows.filter(has_text="forward").filter(has_text="output 0 of head").click()
    running.get_by_role("combobox", name="Phase").select_option("forward")
    search = running.get_by_role("searchbox", name="Search")
    search.fill("linear")
    running.mouse.wheel(0, 300)
    until(running, "() => scrollY > 100")
    before, scrolled = rows.count(), running.evaluate("scrollY")
    address = running.url
    writer.add_rows(WHOLE.rows[24:48])
    writer.add_so_far(ReportSoFar(summary=replace(WHOLE.summary, first_divergence=None), anew=True))
    running.get_by_role("tab", name="Training").wait_for()
    assert running.url == address
    assert "output 0 of head" in running.get_by_role("complementary", name="Details").inner_text()
    assert search.input_value() == "linear"
    assert search.evaluate("one => one === document.activeElement")
    assert running.get_by_role("combobox", name="Phase").input_value() == "forward"
    assert rows.count() == before
    assert running.get_by_role("tab", name="Comparisons").get_attribute("aria-selected") == "true"
    # What is above has grown, and what was in sight stays there.
    assert running.evaluate("scrollY") >= scrolled
    search.fill("")
    running.get_by_role("combobox", name="Phase").select_option("")
    running.get_by_role("tab", name="Layers").click()
    assert tree.count() == closed


def test_a_client_that_is_killed_leaves_its_run_cut_short(running: Any, writer: RunWriter) -> None:
    writer.close()
    running.get_by_role("status").get_by_text("CUT SHORT").wait_for()
    until_said(running, "the client ended before the comparison did")


def test_a_server_that_has_ended_is_told_and_found_again(browser: Any, served: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(served)
    page.get_by_role("table", name="Kept runs").wait_for()
    context.set_offline(True)
    page.get_by_role("alert").get_by_text("padiff ui does not answer any more").wait_for()
    context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    with page.expect_response(re.compile("/runs$")) as answer:
        pass
    assert answer.value.status == 200
    assert page.get_by_role("alert").count() == 0
    context.close()


@pytest.fixture
def against(runs: Any) -> Any:
    """The first run and the third against each other, from the list."""
    button = runs.get_by_role("button", name="Compare the two")
    line(runs, "PASS").get_by_role("checkbox").check()
    assert button.is_disabled()
    line(runs, "FAIL").last.get_by_role("checkbox").check()
    button.click()
    runs.get_by_role("grid", name="Places of both runs").wait_for()
    return runs


def changes(page: Any) -> Any:
    return page.get_by_role("grid", name="Places of both runs").locator(".list-body [role=row]")


def test_two_runs_show_both_verdicts_and_what_became_of_each_place(against: Any) -> None:
    told = " ".join(against.get_by_role("region", name="The two runs").inner_text().split())
    assert re.search("12 better .*24 the same Before FAIL .*encoder.norm.* After PASS", told)
    assert changes(against).count() == 12
    first = changes(against).first.inner_text()
    assert "output 0 of encoder.norm" in first
    assert "0.002" in first
    details = against.get_by_role("complementary", name="Details").inner_text()
    assert "BEFORE" in details
    assert "AFTER" in details


def test_changes_phases_steps_and_search_filter_the_places(against: Any) -> None:
    against.get_by_role("button", name="The same").click()
    assert changes(against).count() > 12
    against.get_by_role("combobox", name="Phase").select_option("backward")
    against.get_by_role("combobox", name="Step").select_option("1")
    assert changes(against).count() == 6
    against.get_by_role("searchbox", name="Search").fill("encoder.norm")
    assert changes(against).count() == 1


def test_settings_that_differ_between_two_runs_are_listed(against: Any) -> None:
    told = against.get_by_role("region", name="What else differs").inner_text()
    assert "encoder.norm / body.norm epsilon 1e-05 / 1e-06" in " ".join(told.split())


def test_two_runs_are_swapped_and_lead_to_each(against: Any) -> None:
    against.get_by_role("link", name="Swap before and after").click()
    until_said(against, "12 worse")
    against.get_by_role("link", name="Open it in the run before").or_(
        against.get_by_role("link", name="Open it in the run after")
    ).last.click()
    against.get_by_role("treegrid").wait_for()
    details = against.get_by_role("complementary", name="Details").inner_text()
    assert "output 0 of encoder.norm" in details


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["", "runs/eeee5555", "against?before=aaaa1111&after=cccc3333"])
def test_everything_has_an_accessible_name_and_enough_contrast(
    browser: Any, served: str, writer: RunWriter, scheme: str, path: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    context = browser.new_context(bypass_csp=True, color_scheme=scheme)
    page = context.new_page()
    page.goto(served)
    page.get_by_role("table", name="Kept runs").wait_for()
    page.goto(f"{served.partition('?')[0]}{path}")
    found = axe.run(page)
    context.close()
    told = [
        f"{one['id']}: {node['html'][:120]}" for one in found.response["violations"] for node in one["nodes"]
    ]
    assert not told


@pytest.mark.parametrize("path", ["", "runs/eeee5555", "against?before=aaaa1111&after=cccc3333"])
def test_the_pages_follow_the_system_into_the_dark_and_the_button_out_of_it(
    runs: Any, served: str, writer: RunWriter, path: str
) -> None:
    runs.emulate_media(color_scheme="dark")
    runs.goto(f"{served.partition('?')[0]}{path}")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert runs.evaluate(ground) == "rgb(13, 17, 23)"
    runs.get_by_role("button", name="Dark or light").click()
    assert runs.evaluate(ground) == "rgb(246, 248, 250)"


@pytest.mark.parametrize("path", ["", "runs/eeee5555", "against?before=aaaa1111&after=cccc3333"])
def test_a_narrow_window_scrolls_in_one_direction_alone(
    runs: Any, served: str, writer: RunWriter, path: str
) -> None:
    runs.set_viewport_size({"width": 480, "height": 800})
    runs.goto(f"{served.partition('?')[0]}{path}")
    assert runs.evaluate("document.documentElement.scrollWidth") <= 480


def test_what_a_hostile_model_says_is_text_in_the_list_too(runs: Any, store: Path) -> None:
    head = replace(page_reports.head_of(WHOLE), reference=page_reports.HOSTILE)
    with RunWriter(store / head.id, head) as writing:
        line(runs, page_reports.HOSTILE).wait_for()
        writing.end(WHOLE)
    assert runs.locator("img").count() == 0
    assert runs.title() == "Kept runs"
