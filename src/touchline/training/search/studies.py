"""Stored searches: a study resumes where it stopped, and a study on newer rows starts from the best of the last one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from touchline.training.fitting.recipe import Recipe
from touchline.training.search.context import SearchContext

if TYPE_CHECKING:
    import optuna

_WARM_STARTS: Final = 3
_UNPRUNED: Final = 6


def open_study(recipe: Recipe, context: SearchContext, folder: Path | None) -> tuple[optuna.Study, int]:
    """The study of this recipe on these rows, and how many settings it has tried before. None: kept nowhere."""
    import optuna

    with _quiet():
        storage = _storage(folder)
        name = study_name(recipe, context)
        sampler = optuna.samplers.TPESampler(seed=recipe.seed, multivariate=True, n_startup_trials=_UNPRUNED)
        pruner = optuna.pruners.MedianPruner(n_startup_trials=_UNPRUNED)
        summaries = optuna.get_all_study_summaries(storage)
        study = optuna.create_study(
            storage=storage, study_name=name, sampler=sampler, pruner=pruner, direction="minimize", load_if_exists=True
        )
        if not study.trials:
            study.set_user_attr("candidate", recipe.candidate)
            for params in _earlier_best(summaries, storage, recipe.candidate):
                study.enqueue_trial(params)
    return study, sum(trial.state.is_finished() for trial in study.trials)


def _storage(folder: Path | None) -> Any:
    from optuna.storages import InMemoryStorage, JournalStorage
    from optuna.storages.journal import JournalFileBackend

    if folder is None:
        return InMemoryStorage()
    folder.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(folder / "studies.log")))


def study_name(recipe: Recipe, context: SearchContext) -> str:
    """Names the search by all that its scores depend on: the rows, the windows, the score and the fixed settings."""
    digest = sha256(context.rows.vectors.tobytes())
    digest.update(np.asarray(context.rows.labels).tobytes())
    for window in context.windows:
        digest.update(window.fit.tobytes() + window.validation.tobytes())
    settled = [recipe.family, recipe.columns, recipe.seed, recipe.class_weight, recipe.smote, recipe.most_columns]
    settled += [True] if recipe.is_recent else []
    settled.append(context.fixed(recipe))
    digest.update(repr([settled, context.training.score_for(context.rows.kind)]).encode())
    return f"{recipe.candidate}-{digest.hexdigest()[:16]}"


def _earlier_best(summaries: Sequence[Any], storage: Any, candidate: str) -> list[dict[str, Any]]:
    """The best settings of the candidate's newest earlier study."""
    import optuna

    same = [
        summary for summary in summaries if summary.user_attrs.get("candidate") == candidate and summary.datetime_start
    ]
    if not same:
        return []
    newest = max(same, key=lambda summary: summary.datetime_start)
    done = optuna.load_study(study_name=newest.study_name, storage=storage).get_trials(deepcopy=False)
    scored = sorted((trial for trial in done if trial.value is not None), key=lambda trial: trial.value or 0.0)
    return [trial.params for trial in scored[:_WARM_STARTS]]


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna tells of each step on standard error; what it did is in the report."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
