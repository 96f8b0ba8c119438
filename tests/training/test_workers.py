"""Who does the fits changes how soon a training ends, and nothing that comes out of it."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Barrier

import pytest

from tests.training.builders import NOW, a_frame, a_task, a_training_set
from touchline.errors import MissingDependency, UnknownPlugin
from touchline.training import Candidate, Training, TrainingOptions, TrainingResult, Tune, Workers, open_workers, train
from touchline.training.estimators.base import FitRequest, Fitted
from touchline.training.estimators.linear import LogisticFamily
from touchline.training.search.workers import LocalWorkers

SEARCH = Training(candidates=("logistic", "lightgbm"), tune=Tune(trials=3, windows=2), smote=False, threads=1)


def trained_by(workers: Workers, training: Training = SEARCH) -> TrainingResult:
    return train(a_task(), training, a_training_set(a_frame(300)), now=NOW, options=TrainingOptions(workers=workers))


def told(result: TrainingResult) -> list[tuple[object, ...]]:
    return [
        (report.name, report.score, report.error, [trial.params for trial in report.tuning.trials])
        if report.tuning
        else (report.name, report.score, report.error)
        for report in result.candidates
    ]


def test_one_worker_and_several_find_the_same_defaults() -> None:
    one, two = (trained_by(LocalWorkers(cores), SEARCH.model_copy(update={"tune": Tune()})) for cores in (1, 2))
    assert told(one) == told(two)
    assert one.recipe == two.recipe


def test_as_many_fits_go_on_at_once_as_there_are_cores() -> None:
    meeting = Barrier(2)

    def meet(_: None, place: int) -> int:
        meeting.wait(timeout=30)
        return place

    assert LocalWorkers(2).map(meet, None, [0, 1, 2, 3], threads=1) == [0, 1, 2, 3]
    assert LocalWorkers(8).count(3) == 2


def test_workers_are_opened_by_name() -> None:
    with pytest.raises(UnknownPlugin, match="Did you mean 'ray'"):
        open_workers("rays")


def test_a_cluster_without_its_library_names_the_extra() -> None:
    from importlib.util import find_spec

    if find_spec("ray"):
        pytest.skip("Ray is installed here")
    with pytest.raises(MissingDependency, match=r"touchline\[ray\]"):
        open_workers("ray")


class Lost(LogisticFamily):
    """A family that ends the process it is fitted in."""

    name = "lost"

    def fit(self, request: FitRequest) -> Fitted:  # noqa: ARG002
        import os

        os._exit(1)


@pytest.fixture(scope="module")
def ray_workers() -> Iterator[Workers]:
    import ray

    yield open_workers("ray", "local")
    ray.shutdown()


@pytest.mark.scale
@pytest.mark.filterwarnings("ignore")
def test_a_ray_cluster_finds_what_this_machine_finds(ray_workers: Workers) -> None:
    training = SEARCH.model_copy(update={"tune": Tune(trials=3, windows=1)})
    here = trained_by(LocalWorkers(ray_workers.count(1)), training)
    assert told(trained_by(ray_workers, training)) == told(here)


@pytest.mark.scale
@pytest.mark.filterwarnings("ignore")
def test_a_lost_worker_costs_its_candidate_alone(ray_workers: Workers) -> None:
    lost = Candidate(name="mine", family=Lost())
    result = trained_by(ray_workers, SEARCH.model_copy(update={"tune": Tune(), "candidates": (lost, "logistic")}))
    assert result.best_candidate == "logistic"
    assert "The worker that did this fit was lost" in (result.candidates[0].error or "")


@pytest.mark.scale
@pytest.mark.filterwarnings("ignore")
def test_what_is_raised_on_a_cluster_is_raised_here(ray_workers: Workers) -> None:
    def refuse(_: None, place: int) -> int:
        raise KeyError(place)

    with pytest.raises(KeyError, match="7"):
        ray_workers.map(refuse, None, [7], threads=1)
