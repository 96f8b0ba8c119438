"""The model card shows the numbers of the training, under the section names of Mitchell et al. (2019)."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import touchline.training
from tests.training.builders import NOW, a_frame, a_number_set, a_regression, a_task, a_training_set
from touchline.training import CardFacts, Training, TrainingResult, build_card, plots, train


@cache
def trained() -> TrainingResult:
    return train(
        a_task(slices=("group",)), Training(candidates=("logistic", "lightgbm")), a_training_set(a_frame(1000)), now=NOW
    )


CLASS_PLOTS = (
    "roc",
    "precision_recall",
    "gains",
    "confusion_matrix",
    "calibration",
    "learning_curve",
    "attributions",
    "beeswarm",
)
SECTIONS = """
## Model details
## Intended use
## Factors
## Metrics
## Evaluation data
## Training data
## Quantitative analyses
### Gain and lift
### Calibration
### Performance by subgroup
### Feature attributions
## Ethical considerations
## Caveats and recommendations
"""
FACTS = CardFacts(
    project="leads",
    description="Who | buys <now>",
    intended_use="ranking calls",
    limits=("Not for people under 18.",),
    hashes={"code": "abc123"},
)


class Tags(HTMLParser):
    """Counts what is opened and not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag not in ("meta", "path", "rect", "circle", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()


def test_a_card_shows_use_data_numbers_and_limits() -> None:
    result = trained()
    text = build_card(result, FACTS, plots(result)).to_markdown()
    value = f"{result.evaluation.metrics['log_loss'].value:.4g}"
    for told in ("# leads", "ranking calls", "abc123", result.training_set_hash, value):
        assert told in text
    for told in (
        "Not for people under 18.",
        "group = a",
        "| logistic |",
        "Seed 7",
        "![calibration](plots/calibration.svg)",
    ):
        assert told in text


def test_the_html_card_is_whole_and_escaped() -> None:
    result = trained()
    page = build_card(result, FACTS, plots(result)).to_html()
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert "buys &lt;now&gt;" in page
    assert page.count("<svg") >= 4


def test_a_regression_has_a_card_too() -> None:
    result = train(a_regression(), Training(candidates=("ridge", "lightgbm")), a_number_set(), now=NOW)
    text = build_card(result, CardFacts("prices"), plots(result)).to_markdown()
    assert "rmse" in text
    assert "![residuals](plots/residuals.svg)" in text
    assert "Calibration\n" not in text


def test_every_plot_is_well_formed() -> None:
    drawn = plots(trained())
    assert set(drawn) >= {f"{name}.svg" for name in CLASS_PLOTS}
    for text in drawn.values():
        ElementTree.fromstring(text)


def test_the_sections_are_those_of_mitchell_and_others() -> None:
    headings = [line for line in build_card(trained(), FACTS, {}).to_markdown().splitlines() if line.startswith("##")]
    assert headings == SECTIONS.split("\n")[1:-1]


def test_the_same_evaluation_is_drawn_with_the_same_bytes() -> None:
    result = trained()
    assert plots(result) == plots(result)


def test_names_are_drawn_as_text_and_not_as_formulas() -> None:
    classes = ("$a", "b_$", "<c>")
    task, data = a_task(classes=classes), a_training_set(a_frame(1000, classes=classes))
    for text in plots(train(task, Training(candidates=("lightgbm",)), data, now=NOW)).values():
        ElementTree.fromstring(text)


def test_no_exported_name_is_hidden_by_a_file_of_the_room() -> None:
    """Importing a submodule would put the module where the name was."""
    folder = Path(touchline.training.__file__).parent
    exported = Path(touchline.training.__file__).read_text()
    for file in folder.glob("*.py"):
        assert f'"{file.stem}"' not in exported, file.stem
