"""The page of a report in a browser: it opens, tells where the fault is, and obeys pointer and keyboard."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from page_reports import HOSTILE

# Far above what it takes (docs/performance.md), and far below what a reader would wait for.
_LARGE_SECONDS = 10


def lines(page: Any, name: str) -> Any:
    grid = page.get_by_role("treegrid" if name == "Layers of both sides" else "grid", name=name)
    return grid.locator(".list-body [role=row]")


def details(page: Any) -> Any:
    return page.get_by_role("complementary", name="Details")


def test_it_opens_on_the_first_fault_with_both_sides_of_it(page: Any) -> None:
    assert page.title().startswith("FAIL: forward of step 1, output 0 of encoder.norm")
    first = page.get_by_role("region", name="First divergence").inner_text()
    for told in ("encoder.norm", "body.norm", "x = self.norm(x)", "2,500 times", "epsilon", "1e-06"):
        assert told in first
    assert "output 0 of encoder.norm" in details(page).inner_text()


def test_both_trees_stand_beside_each_other_with_their_gaps(page: Any) -> None:
    shown = lines(page, "Layers of both sides")
    assert shown.count() == 8
    texts = shown.all_inner_texts()
    assert ["norm" in one and one.count("LayerNorm") == 2 for one in texts].count(True) == 1
    assert sum("no partner in the candidate" in one for one in texts) == 1
    assert sum("no partner in the reference" in one for one in texts) == 1


def test_a_layers_children_close_and_open(page: Any) -> None:
    shown = lines(page, "Layers of both sides")
    encoder = shown.filter(has_text="encoder")
    encoder.locator(".twist").first.click()
    assert shown.count() == 4
    assert encoder.get_attribute("aria-expanded") == "false"
    encoder.locator(".twist").first.click()
    assert shown.count() == 8


def test_search_keeps_what_fits_and_what_holds_it(page: Any) -> None:
    page.keyboard.press("/")
    page.keyboard.type("layernorm")
    texts = lines(page, "Layers of both sides").all_inner_texts()
    assert any("LayerNorm" in text for text in texts)
    assert not any("head" in text for text in texts)
    page.get_by_role("tab", name="Comparisons").click()
    assert lines(page, "Comparisons").count() == 2
    page.get_by_role("searchbox", name="Search").fill("nothing like that")
    assert page.get_by_text("Nothing fits").locator("visible=true").count() == 1


def test_verdicts_and_phases_filter_the_comparisons(page: Any) -> None:
    page.get_by_role("tab", name="Comparisons").click()
    shown = lines(page, "Comparisons")
    assert shown.count() == 12
    page.get_by_role("button", name="Agree", exact=True).click()
    page.get_by_role("button", name="Accumulated", exact=True).click()
    assert shown.count() == 2
    page.get_by_role("combobox", name="Phase").select_option("backward")
    assert "backward of step 1" in shown.first.inner_text()
    assert shown.count() == 1


def test_a_row_shows_figures_elements_and_where_its_tensors_differ(page: Any) -> None:
    page.get_by_role("tab", name="Comparisons").click()
    lines(page, "Comparisons").filter(has_text="forward").filter(has_text="encoder.norm").click()
    text = details(page).inner_text()
    for told in ("relative L2", "0.002", "1e-06", "outside the bounds", "[1, 5, 3]", "1.00999999"):
        assert told in text
    assert details(page).get_by_role("img", name=re.compile("Histogram of 64 differences")).is_visible()
    assert (
        details(page)
        .get_by_role("img", name="Difference along axis 1: strongest at 5 of 8 cells")
        .is_visible()
    )
    assert details(page).get_by_role("img", name=re.compile("Heat map")).count() == 3


def test_a_layer_takes_the_comparisons_to_itself(page: Any) -> None:
    lines(page, "Layers of both sides").filter(has_text="head").click()
    page.get_by_role("tab", name="Comparisons").click()
    assert lines(page, "Comparisons").count() == 2
    page.get_by_role("button", name=re.compile("^only head")).click()
    assert lines(page, "Comparisons").count() == 12


def test_the_slider_chooses_the_step(page: Any) -> None:
    slider = page.get_by_role("slider", name="Step", exact=True)
    assert slider.get_attribute("aria-valuetext") == "step 1"
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "step 0"
    page.get_by_role("tab", name="Comparisons").click()
    assert "of step 0" in lines(page, "Comparisons").first.inner_text()
    assert not any("✕" in text for text in lines(page, "Comparisons").all_inner_texts())
    page.get_by_role("checkbox", name="every step").check()
    assert lines(page, "Comparisons").count() == 36


def test_losses_of_both_sides_are_drawn(page: Any) -> None:
    page.get_by_role("tab", name="Training").click()
    assert page.get_by_role("img", name="Loss", exact=True).locator("polyline").count() == 2


def test_a_chart_is_walked_by_arrow_keys_and_opens_its_place(page: Any) -> None:
    chart = page.get_by_role("slider", name=re.compile("^Forward, step 1"))
    assert "encoder.norm" in chart.get_attribute("aria-valuetext")
    chart.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert "output 0 of encoder.act" in details(page).inner_text()


def test_a_chart_of_few_places_shows_each_of_them(page: Any) -> None:
    forward = page.get_by_role("img", name=re.compile("^Forward, step 1: "))
    assert forward.locator("circle.bead.local").count() == 6
    assert forward.locator("circle.bead.accumulated").count() == 6


def test_keys_alone_reach_a_fault_from_the_tree(page: Any) -> None:
    tree = page.get_by_role("treegrid")
    tree.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert lines(page, "Layers of both sides").count() == 1
    page.keyboard.press("ArrowRight")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert "encoder.norm (LayerNorm)" in details(page).inner_text()
    page.keyboard.press("n")
    first = page.evaluate("location.hash")
    page.keyboard.press("n")
    second = page.evaluate("location.hash")
    assert re.search(r"#row=\d+$", second)
    assert second != first


def test_an_address_leads_to_its_row(tab: Any, trained_file: Path) -> None:
    tab.goto(f"{trained_file.as_uri()}#row=0")
    assert "output 0 of the root" in details(tab).inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_and_the_button(page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    page.get_by_role("button", name="Dark or light").click()
    after = page.evaluate(ground)
    light, dark = (before, after) if scheme == "light" else (after, before)
    assert (light, dark) == ("rgb(246, 248, 250)", "rgb(13, 17, 23)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "part", ["Layers", "Comparisons", "Training", "Settings", "Weights", "Environment", "Text"]
)
def test_everything_has_an_accessible_name_and_enough_contrast(
    browser: Any, trained_file: Path, scheme: str, part: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    context = browser.new_context(bypass_csp=True, color_scheme=scheme)
    page = context.new_page()
    page.goto(trained_file.as_uri())
    page.get_by_role("tab", name=part).click()
    found = axe.run(page)
    context.close()
    told = [
        f"{one['id']}: {node['html'][:120]}" for one in found.response["violations"] for node in one["nodes"]
    ]
    assert not told


def test_what_a_hostile_model_says_is_text(page: Any) -> None:
    assert page.get_by_text(HOSTILE).first.is_visible()
    assert page.locator("img").count() == 0
    assert page.title() != "1"


def test_a_report_of_ten_thousand_calls_opens_and_stays_light(tab: Any, large_file: Path) -> None:
    tab.goto(large_file.as_uri())
    seconds = tab.evaluate("performance.now() / 1000")
    assert seconds < _LARGE_SECONDS
    # What is out of sight is not in the document, whatever is opened, searched or scrolled to.
    for step in ("scroll", "search", "comparisons"):
        if step == "scroll":
            tab.get_by_role("treegrid").evaluate("one => { one.scrollTop = one.scrollHeight / 2; }")
        elif step == "search":
            tab.get_by_role("searchbox", name="Search").fill("linear")
        else:
            tab.get_by_role("tab", name="Comparisons").click()
        assert tab.locator("[role=row]").count() < 150
        assert tab.evaluate("document.getElementsByTagName('*').length") < 3000
    assert tab.get_by_role("grid", name="Comparisons").get_attribute("aria-rowcount") == "18001"


def test_a_narrow_window_scrolls_in_one_direction_alone(browser: Any, trained_file: Path) -> None:
    context = browser.new_context(viewport={"width": 480, "height": 800})
    page = context.new_page()
    page.goto(trained_file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 480
    context.close()
