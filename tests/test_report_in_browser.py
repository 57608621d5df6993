"""The page that `ihomer evaluate --report` writes, in a real browser."""

import os
import re
import shutil
from pathlib import Path

import pytest

from ihomer import IHOMERClassifier
from ihomer.baselines import MajorityLabelset
from streams.html_report import report_page
from streams.recorder import Recorder
from streams.report_data import stream_data
from streams.results import Failure, result_of
from streams.run import Run
from tests.report_parts import HOSTILE, drifting


def skipped(reason):
    if os.environ.get("IHOMER_REQUIRE_BROWSER") == "1":
        pytest.fail(f"IHOMER_REQUIRE_BROWSER=1, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser():
    try:
        from selenium import webdriver
        from selenium.common.exceptions import WebDriverException
        from selenium.webdriver.chrome.service import Service
    except ImportError:
        skipped("selenium is not installed")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        skipped("there is no Chromium with its driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    try:
        session = webdriver.Chrome(options=options, service=Service(driver))
    except WebDriverException as error:
        skipped(f"Chromium does not start: {error.msg}")
    yield session
    session.quit()


class Page:
    """A page in a window of some width, light or dark."""

    def __init__(self, browser, path, width=1280, dark=False):
        self._browser = browser
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.get(Path(path).as_uri())
        self.run("return new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")

    def run(self, script, *arguments):
        return self._browser.execute_script(script, *arguments)

    def errors(self):
        return self._browser.get_log("browser")

    def texts(self, selector):
        return self.run("return [...document.querySelectorAll(arguments[0])].map(node => node.textContent)", selector)

    def click(self, selector):
        self.run("document.querySelector(arguments[0]).click()", selector)

    def choose(self, selector, value):
        self.run(
            "const node = document.querySelector(arguments[0]); node.value = arguments[1];"
            "node.dispatchEvent(new Event(arguments[2], { bubbles: true }))",
            selector, value, "change" if selector.startswith("select") else "input",
        )  # fmt: skip


@pytest.fixture(scope="module")
def drift_page(tmp_path_factory):
    """A page of a stream that drifts, with clusters, experts and more labels than are shown at first."""
    recorder = Recorder()
    model = IHOMERClassifier(experts=("frequency", "linear"))
    run = Run(model, recorder=recorder)
    run.finish(drifting(6000))
    run.record()
    path = tmp_path_factory.mktemp("pages") / "drift.html"
    recorder_of_two = Recorder()
    recorder_of_two.add({"a", "b"}, {"a"}, {"a": 0.9, "b": 0.2})
    recorder_of_two.sample(1, None, {})
    assert {drift["where"] for drift in model.drifts} == {"global", "partition"}
    path.write_text(report_page([stream_data(recorder, "drift"), stream_data(recorder_of_two, "two")], "drift"), "utf-8")
    return path


CARDS = [
    "Scores beside the baseline",
    "Scores over time",
    "Label clusters over time",
    "Experts over time",
    "Labels",
    "Calibration",
    "Where the errors are",
    "Speed",
    "Memory",
]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_draws_all_its_pictures(browser, drift_page, width, dark):
    page = Page(browser, drift_page, width, dark)
    assert page.errors() == []
    assert page.texts("main h2") == CARDS
    assert page.run("return document.documentElement.scrollWidth") <= width
    longest = page.run(
        "return ['scores', 'speed', 'memory'].map(name => Math.min(...[...document.querySelectorAll("
        "`[data-picture=${name}] svg g path:not(.mark)`)].map(path => path.getTotalLength())))"
    )
    assert min(longest) > 100
    assert page.run("return document.querySelectorAll('[data-picture=scores] .mark.global').length") >= 1
    assert page.run("return document.querySelectorAll('[data-picture=scores] .mark.partition').length") >= 1
    assert page.run("return document.querySelectorAll('[data-picture=calibration] circle.bin').length") >= 10
    n_experts = len(IHOMERClassifier(experts=("frequency", "linear")).expert_weights)
    assert len(page.texts("[data-picture=experts] .expert")) == n_experts
    assert len(page.texts("[data-picture=confusion] .about")) == 8
    assert len(page.texts("[data-picture=tree] .chip")) >= 1
    colours = page.run(
        "const canvas = document.querySelector('[data-picture=partition] canvas');"
        "const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data, seen = {};"
        "for (let i = 0; i < data.length; i += 4)"
        "{ const key = data.slice(i, i + 4).join(); seen[key] = (seen[key] || 0) + 1; }"
        "return Object.values(seen).filter(count => count > 500).length"
    )
    assert colours >= 3
    back = page.run("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", back)[:3])) < 150) == dark


def test_the_table_of_labels_is_sorted_and_filtered(browser, drift_page):
    page = Page(browser, drift_page)
    rows = ".labels tbody tr"
    assert len(page.texts(rows)) == 25
    assert page.texts(".labels th[aria-sort=descending]") == ["true"]
    first = "return [...document.querySelectorAll('.labels tbody td:nth-child(2)')].map(cell => parseFloat(cell.textContent))"
    page.click(".labels th:nth-child(2) button")
    down = page.run(first)
    assert down == sorted(down, reverse=True)
    assert page.texts(".labels th[aria-sort=descending]") == ["F1"]
    page.click(".labels th:nth-child(2) button")
    up = page.run(first)
    assert up == sorted(up) != down
    assert page.texts(".labels th[aria-sort=ascending]") == ["F1"]
    page.click("[data-card=Labels] p button")
    assert len(page.texts(rows)) == 30
    page.choose("input[type=search]", "L1")
    assert sorted(page.texts(".labels tbody td:first-child")) == sorted(["l1", *(f"l1{i}" for i in range(10))])
    assert page.errors() == []


def test_score_readings_theme_and_stream_can_be_chosen(browser, drift_page):
    page = Page(browser, drift_page)
    lines = (
        "return [...document.querySelectorAll('[data-picture=scores] svg g path:not(.mark)')]"
        ".map(path => path.getAttribute('d'))"
    )
    before = page.run(lines)
    assert len(before) == 4
    page.click(".group button:nth-child(2)")
    assert len(page.run(lines)) == 6
    page.choose("select[aria-label=score]", "subset_accuracy")
    assert page.run(lines)[0] != before[0]
    page.choose("select[aria-label=score]", "log_loss")
    assert len(page.run(lines)) == 1
    light = page.run("return getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    assert page.run("return getComputedStyle(document.body).backgroundColor") != light
    page.choose("select[id=stream]", "1")
    assert page.texts("h1") == ["two"]
    assert len(page.texts(".labels tbody tr")) == 2
    assert page.errors() == []


def test_files_that_have_failed_are_named_above_the_scores(browser, tmp_path):
    recorder = Recorder()
    recorder.add({"a"}, {"a"})
    recorder.sample(1, None, {"model": {"total": {"micro_f1": 1.0}}})
    streams = [stream_data(recorder, "whole"), stream_data(recorder, "cut", error="cut.csv:7: no number")]
    partial = result_of(Run(MajorityLabelset()), "cut")
    failed = [Failure("cut", "cut.csv:7: no number", partial), Failure(HOSTILE[0], HOSTILE[1])]
    path = tmp_path / "failed.html"
    path.write_text(report_page(streams, "failed", failed), "utf-8")
    page = Page(browser, path)
    for place, is_partial in enumerate((False, True)):
        page.choose("select[id=stream]", str(place))
        assert page.texts("main h2")[:2] == ["2 files have failed", "Scores beside the baseline"]
        assert page.texts(".warn dt") == ["cut", HOSTILE[0]]
        reasons = ["cut.csv:7: no number (partial scores, of the events before that)", f"{HOSTILE[1]} (no scores)"]
        assert page.texts(".warn dd")[:2] == reasons
        assert ("partial" in page.texts("header p")[0]) == is_partial
    assert page.texts("select[id=stream] option") == ["whole", "cut (partial)"]
    assert page.errors() == []


def test_hostile_names_do_nothing_in_a_browser(browser, tmp_path):
    recorder = Recorder()
    for _ in range(3):
        recorder.add(set(HOSTILE), set(HOSTILE[:4]), dict.fromkeys(HOSTILE, 0.5))
        model = IHOMERClassifier(experts=("frequency",))
        model.learn_one({}, set(HOSTILE))
        recorder.sample(16, model, {"model": {"total": {"micro_f1": 0.5}}})
    path = tmp_path / "hostile.html"
    path.write_text(report_page([stream_data(recorder, HOSTILE[0], facts={HOSTILE[1]: HOSTILE[0]})], HOSTILE[0]), "utf-8")
    page = Page(browser, path)
    assert page.errors() == []
    assert page.run("return document.title") == HOSTILE[0]
    assert page.run("return document.querySelectorAll('img, main script').length") == 0
    cells = "[...document.querySelectorAll('.labels tbody td:first-child')].map(cell => cell.textContent)"
    assert page.run(f"return {cells}.includes(arguments[0])", HOSTILE[1])
    assert page.run(f"return {cells}.length") == len(HOSTILE)
