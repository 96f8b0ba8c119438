"""The search for the best candidate: defaults, then tuned settings, then variants for rare classes, then a blend."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from touchline.errors import NoCandidateWorked, WorkerLost
from touchline.training.data.balance import IMBALANCED, imbalance
from touchline.training.data.rows import LabelledRows
from touchline.training.estimators.base import Deadline, Family, ParamValue
from touchline.training.estimators.cores import usable_cores
from touchline.training.fitting.blend import NAME, POOL, BlendFamily, blend_weights, own_families, pool_for, pooled
from touchline.training.fitting.category_means import SETTING
from touchline.training.fitting.curved_target import CurvedTargetFamily, has_long_tail
from touchline.training.fitting.fit import OutOfFold
from touchline.training.fitting.linear_base import LinearBaseFamily
from touchline.training.fitting.recipe import Recipe
from touchline.training.fitting.rounds import is_in_time
from touchline.training.search.budget import Budget, search_shares
from touchline.training.search.candidates import (
    CandidateReport,
    Contender,
    Entry,
    best_of,
    clearly_better,
    contender_of,
    contender_of_fits,
    family_of,
    first_of_the_best,
    lost_report,
    recipe_of,
    try_recipe,
)
from touchline.training.search.context import SearchContext
from touchline.training.search.options import Progress, TrainingOptions
from touchline.training.search.tuning import Search, TuningReport, tune
from touchline.training.spec import Training

# Below this many cells a second thread costs more than it brings.
_CELLS_PER_THREAD = 500_000
# So often the best is searched again, each time where this share of the time is left.
_AGAIN = 4
_WORTH_A_SEARCH = 0.05


Attempt = Callable[[SearchContext, Entry], Contender | CandidateReport]


def threads_for(training: Training, rows: LabelledRows) -> int:
    """Threads of one fit: as declared, else as many as the size of the data can use."""
    if training.threads:
        return training.threads
    return max(1, min(usable_cores(), rows.vectors.size // _CELLS_PER_THREAD))


def compete(context: SearchContext, options: TrainingOptions) -> tuple[Contender, tuple[CandidateReport, ...]]:
    """The best candidate, and what came of every one. Raises `NoCandidateWorked` when none did."""
    return _Competition(context, options).run()


@dataclass
class _Competition:
    """The candidates so far. Only this file changes the list."""

    context: SearchContext
    options: TrainingOptions

    def __post_init__(self) -> None:
        self.contenders: list[Contender] = []
        self.reports: list[CandidateReport] = []
        self.searches, self.searched_seconds = 1, 0.0
        self.budget = Budget(self.context, self.options.workers.count(self.context.threads))

    def run(self) -> tuple[Contender, tuple[CandidateReport, ...]]:
        self._defaults()
        if not self.contenders:
            raise NoCandidateWorked({report.name: report.error or "" for report in self.reports})
        self._on_linear_base()
        self._curved()
        if self.context.training.tune.is_on:
            self._searched()
        self._balanced()
        if self.context.training.tune.is_on:
            # Settings that were found may take less time to fit than the defaults that the shares rest on.
            self._searched_again(Deadline.within(self.budget.to_spare(self.contenders, self.searched_seconds)))
        if self.context.training.blend:
            blend = self._blended()
            if blend is not None and self.context.training.blend == "only":
                return blend, tuple(self.reports)
        # Rows that were dealt into folds several times are few.
        choose = first_of_the_best if self.context.further_deals else best_of
        return choose(self.contenders), tuple(self.reports)

    def _enter(self, outcome: Contender | CandidateReport) -> None:
        self.reports.append(outcome.report if isinstance(outcome, Contender) else outcome)
        if isinstance(outcome, Contender):
            self.contenders.append(outcome)

    def _defaults(self) -> None:
        entries = []
        for candidate in self.context.training.candidates_for(self.context.rows.kind):
            family = family_of(candidate, self.context.rows.kind)
            entries.append(Entry(recipe_of(candidate, family, self.context), family))
        self.options.on_progress(Progress(f"trying {', '.join(entry.recipe.candidate for entry in entries)}", 0.0))
        # Elsewhere than in this process an attempt cannot report.
        attempt = self._reported(entries) if self.options.workers.are_near else try_recipe
        for outcome in self._tried(entries, attempt):
            self._enter(outcome)

    def _reported(self, entries: Sequence[Entry]) -> Attempt:
        """An attempt that reports its result, beside those of the others that have finished."""
        name = self.context.training.score_for(self.context.rows.kind)
        waiting = [entry.recipe.candidate for entry in entries]
        finished: list[str] = []

        def attempt(context: SearchContext, entry: Entry) -> Contender | CandidateReport:
            outcome = try_recipe(context, entry)
            waiting.remove(entry.recipe.candidate)
            finished.append(_in_words(outcome, name))
            left = [f"trying {', '.join(waiting)}"] if waiting else []
            share = 0.12 * len(finished) / len(entries)
            self.options.on_progress(Progress("; ".join([*finished, *left]), share))
            return outcome

        return attempt

    def _on_linear_base(self) -> None:
        """The best candidate of trees again on the residuals of a linear regression, where rows have times.

        Trees predict no number beyond those of the fit, so a trend that goes on needs a line below them.
        """
        rows = self.context.rows
        trees = [one for one in self.contenders if one.family.layout == "trees"]
        if rows.kind != "regression" or not trees or not is_in_time(rows, self.context.windows):
            return
        best = best_of(trees)
        family = LinearBaseFamily(best.family)
        recipe = replace(self._unsettled(best), candidate=f"{best.recipe.candidate}+linear", family=family.name)
        self.options.on_progress(Progress("trying trees on a linear regression", 0.12))
        for outcome in self._tried([Entry(recipe, family, self.budget.for_variants(best))]):
            self._enter(outcome)

    def _curved(self) -> None:
        """The best candidate again on a curved target, where the numbers to predict have a long tail."""
        best, rows = best_of(self.contenders), self.context.rows
        if rows.kind != "regression" or not has_long_tail(rows.labels[best.out_of_fold.rows]):
            return
        family = CurvedTargetFamily(best.family)
        recipe = replace(self._unsettled(best), candidate=f"{best.recipe.candidate}+curved", family=family.name)
        self.options.on_progress(Progress("trying the logarithm of a target with a long tail", 0.15))
        for outcome in self._tried([Entry(recipe, family, self.budget.for_variants(best))]):
            self._enter(outcome)

    def _tried(self, entries: Sequence[Entry], attempt: Attempt = try_recipe) -> list[Contender | CandidateReport]:
        outcome = self.options.workers.map(attempt, self.context, entries, threads=self.context.threads)
        return [
            lost_report(entry, each) if isinstance(each, WorkerLost) else each
            for entry, each in zip(entries, outcome, strict=True)
        ]

    def _searched(self) -> None:
        # The most promising last: what the others do not use of their shares is left for it.
        deadline = Deadline.within(self.budget.for_searches(self.contenders))
        ranked = sorted(self.contenders, key=lambda contender: contender.score, reverse=True)
        shares = search_shares([contender.score for contender in ranked])
        for place, contender in enumerate(ranked):
            name = contender.recipe.candidate
            self.options.on_progress(Progress(f"searching settings of {name}", 0.2 + 0.5 * place / len(ranked)))
            left = deadline.left
            seconds = None if left is None else left * shares[place] / sum(shares[place:])
            self._search(self._unsettled(contender), contender.family, f"{name}+tuned", seconds)
        self._searched_again(deadline)

    def _searched_again(self, deadline: Deadline) -> None:
        """The best candidate's settings under other seeds, where searches that found nothing more have left time.

        A declared number of trials is not passed.
        """
        whole = self.context.training.seconds or deadline.seconds
        while self.searches <= _AGAIN:
            left = deadline.left
            if left is None or whole is None or left < _WORTH_A_SEARCH * whole or self.context.training.tune.trials:
                return
            self.searches += 1
            best = best_of([one for one in self.contenders if not (one.recipe.smote or one.recipe.class_weight)])
            name = best.recipe.candidate.split("+")[0]
            start = replace(self._unsettled(best), candidate=name, seed=self.context.training.seed + self.searches)
            self.options.on_progress(Progress(f"searching settings of {name} again", 0.7))
            self._search(start, best.family, f"{name}+tuned {self.searches}", left)

    def _search(self, start: Recipe, family: Family, name: str, seconds: float | None) -> None:
        search = Search(self.context.training.tune.trials, seconds, self.options.workers, self.options.studies)
        began = time.perf_counter()
        tuned = tune(start, family, self.context, search)
        self.searched_seconds += time.perf_counter() - began
        if tuned.recipe is None:
            self.reports = [
                replace(r, tuning=tuned.report) if r.name == start.candidate and r.tuning is None else r
                for r in self.reports
            ]
            return
        entry, known = Entry(replace(tuned.recipe, candidate=name), family), tuned.out_of_fold
        outcome = contender_of_fits(self.context, entry, known, tuned.seconds) if known else self._tried([entry])[0]
        self._enter(_with_search(outcome, tuned.report))

    def _balanced(self) -> None:
        """The best candidate again with weights and with synthetic rows, where classes are imbalanced."""
        best, rows = best_of(self.contenders), self.context.rows
        plain = not (best.recipe.smote or best.recipe.class_weight)
        if not self.context.training.smote or rows.kind == "regression" or not plain:
            return
        if imbalance(rows.labels) <= IMBALANCED:
            return
        start, name = self._unsettled(best), best.recipe.candidate
        variants = (
            replace(start, candidate=f"{name}+weights", class_weight="balanced"),
            replace(start, candidate=f"{name}+smote", smote=True),
        )
        self.options.on_progress(Progress("trying weights and synthetic rows for the rare classes", 0.7))
        for outcome in self._tried(
            [Entry(variant, best.family, self.budget.for_variants(best)) for variant in variants]
        ):
            self.reports.append(outcome.report if isinstance(outcome, Contender) else outcome)
            # What bends the probabilities must earn its place: better by more than the error of the difference.
            if isinstance(outcome, Contender) and clearly_better(outcome, best):
                self.contenders.append(outcome)

    def _unsettled(self, contender: Contender) -> Recipe:
        """The recipe before its fits settled anything: a variant stops early by itself."""
        recipe, defaults = contender.recipe, contender.family.defaults(self.context.rows.kind)
        settled = contender.out_of_fold.settled
        start: dict[str, ParamValue] = {name: defaults[name] for name in settled if name in defaults}
        return replace(recipe, params={**recipe.params, **start, **self.context.fixed(recipe)})

    def _blended(self) -> Contender | None:
        if len(self.contenders) < 2:
            return None
        began = time.perf_counter()
        self.options.on_progress(Progress("blending", 0.78))
        labels = self.context.rows.labels[self.contenders[0].out_of_fold.rows]
        member_predictions = [contender.out_of_fold.predictions for contender in self.contenders]
        score = self.context.training.score_for(self.context.rows.kind)
        weights = blend_weights(score, labels, member_predictions, pool_for(score, len(labels)))
        used = {place: float(weight) for place, weight in enumerate(weights) if weight > 0}
        members = [self.contenders[place] for place in used]
        bags = self.budget.bags(members, [member for member in members if has_chance(member)])
        fits = [
            (member, weight / times)
            for place, weight in used.items()
            for times in [bags if has_chance(self.contenders[place]) else 1]
            for member in seeded(self.contenders[place].recipe, times)
        ]
        blend = _blend(self.contenders, self.context, fits, began)
        self._enter(blend)
        return blend


def _blend(
    contenders: Sequence[Contender], context: SearchContext, members: Sequence[tuple[Recipe, float]], began: float
) -> Contender:
    """The contenders together, evaluated on rows that their weights were not found on."""
    first = contenders[0].out_of_fold
    labels = context.rows.labels[first.rows]
    member_predictions = [contender.out_of_fold.predictions for contender in contenders]
    score = context.training.score_for(context.rows.kind)
    pool = pool_for(score, len(labels))
    recipe = Recipe(
        candidate=NAME,
        family=NAME,
        params={POOL: pool},
        columns=contenders[0].recipe.columns,
        seed=context.training.seed,
        threads=context.threads,
        members=tuple(member for member, _ in members),
        weights=tuple(weight for _, weight in members),
    )
    families = {name: family for contender in contenders for name, family in own_families(contender.family).items()}
    half = np.arange(len(labels)) % 2 == 0
    honest = np.empty_like(member_predictions[0])
    for rows in (half, ~half):
        weights = blend_weights(score, labels[~rows], [each[~rows] for each in member_predictions], pool)
        honest[rows] = pooled([each[rows] for each in member_predictions], weights, pool)
    out_of_fold = OutOfFold(first.rows, honest, {}, first.windows)
    return contender_of(recipe, BlendFamily(families), context, out_of_fold, began)


def seeded(recipe: Recipe, times: int) -> list[Recipe]:
    """The recipe under so many seeds."""
    return [replace(recipe, seed=recipe.seed + bag) for bag in range(times)]


def has_chance(contender: Contender) -> bool:
    """Whether another seed gives another model; families that do not say are taken to."""
    if contender.recipe.params.get(SETTING, "codes") != "codes":
        return True
    asked = getattr(contender.family, "has_chance", None)
    return asked is None or bool(asked(contender.recipe.params))


def _with_search(outcome: Contender | CandidateReport, report: TuningReport) -> Contender | CandidateReport:
    if isinstance(outcome, CandidateReport):
        return replace(outcome, tuning=report)
    return replace(outcome, report=replace(outcome.report, tuning=report))


def _in_words(outcome: Contender | CandidateReport, score: str) -> str:
    if isinstance(outcome, CandidateReport):
        return f"{outcome.name} failed ({outcome.error}) in {outcome.seconds:.0f} s"
    return f"{outcome.recipe.candidate} {score} {outcome.score:.4g} in {outcome.report.seconds:.0f} s"
