"""A rollout as a page: plain words and numbers, while it runs, after its end and before the first outcome."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from tests.rollout.life import Life
from touchline.rollout import Rollout
from touchline.rollout.report_page import report_page

SHADOW = Rollout(mode="shadow", min_days=1, longest_days=60)


def a_page(life: Life) -> str:
    html = report_page(life.report()).to_html()
    assert not re.search(r"\\mathdefault|None|False|\{'|\['", html)
    return html


def days(life: Life, count: int, *, candidate: float, production: float) -> None:
    for _ in range(count):
        new, old = np.full(60, candidate), np.full(60, production)
        life.a_day(60, candidate=new, production=old, truth=np.full(60, 0.8))
        life.check()


def test_a_page_of_one_that_runs_has_its_course_with_plain_numbers_and_its_rule_in_words(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(SHADOW)
    days(life, 2, candidate=0.8, production=0.75)
    html = a_page(life)
    assert "<p>Mode shadow, started 2024-01-01 00:00 by tests, running, until 2024-03-01 at most.</p>" in html
    assert re.search(r"<text[^>]*>100</text>", html)  # a tick of the axis of units
    assert "<td>classes</td><td>no; yes</td>" in html
    assert "<td>needs approval</td><td>no</td>" in html


def test_a_page_of_a_decided_one_has_the_numbers_of_its_verdict(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(SHADOW)
    days(life, 8, candidate=0.8, production=0.5)
    html = a_page(life)
    verdict = html.partition("<h2>Verdict</h2>")[2].partition("<h2>")[0]
    assert "<p>Version 2 was promoted: version 2 is better" in verdict
    assert re.search(r"Better: version 2 has 0\.\d{4} lower log_loss than version 1 on \d+ outcomes", verdict)
    assert "Next:" not in verdict


def test_a_page_of_two_versions_that_predict_the_same_has_its_course(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(SHADOW)
    days(life, 2, candidate=0.8, production=0.8)
    assert "<svg" in a_page(life)


def test_a_page_without_outcomes_says_what_it_waits_for(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.start(SHADOW)
    life.predict(np.full(40, 0.5), np.full(40, 0.5))
    html = a_page(life)
    assert "<td>left out: without an outcome yet</td><td>40</td>" in html
    assert "begin at 30 units with an outcome" in html
