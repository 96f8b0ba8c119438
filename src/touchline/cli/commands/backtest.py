"""`touchline backtest`: walk-forward predictions over history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from touchline import errors, rehearsal
from touchline.cli.opening import JsonOption, ProjectOption, load_default, open_home
from touchline.cli.option_groups import command_of
from touchline.cli.output import print_json, progress
from touchline.contracts.instants import parse_instant_or_day
from touchline.rehearsal.periods import Period
from touchline.storage import validate_table_file, write_table


def register(app: typer.Typer) -> None:
    app.command("backtest")(command_of(BacktestOptions, backtest))


@dataclass(frozen=True, kw_only=True)
class BacktestOptions:
    """The options of `touchline backtest`."""

    first: Annotated[str, typer.Option("--from", help="First day to predict.")]
    last: Annotated[str, typer.Option("--to", help="The day after the last one.")]
    out: Annotated[Path, typer.Option(help="CSV or Parquet file to write, one row an example.")]
    data: Annotated[Path | None, typer.Option(help="Folder of the source's files; default: the declared rows.")] = None
    refit: Annotated[Period, typer.Option(help="How often the model is fitted again.")] = "weekly"
    with_odds: Annotated[bool, typer.Option("--with-odds", help="The alternative task `with_odds`.")] = False
    alternative: Annotated[str | None, typer.Option(help="Another alternative task of the declaration.")] = None
    project: ProjectOption = None
    as_json: JsonOption = False


def backtest(options: BacktestOptions) -> None:
    """Predict the past as it would have been predicted, with a model that is fitted again each period.

    The model of a period learns from the labels known at its start; features are as of each example's cutoff. The home
    is not changed. Finished periods are stored beside --out, in OUT.partial, until the end: the same command continues
    there after an interruption.

    Example: touchline backtest -p football --from 2008-08-01 --to 2009-06-01 --out predictions.csv
    """
    loaded = load_default(open_home(), options.project)
    validate_table_file(options.out)
    if options.with_odds and options.alternative not in (None, "with_odds"):
        raise errors.BacktestRefused(loaded.name, "--with-odds and --alternative name two tasks; write one of them")
    progress_folder = options.out.with_name(f"{options.out.name}.partial")
    request = rehearsal.Backtest(
        first=_day(options.first),
        last=_day(options.last),
        refit=options.refit,
        data=options.data,
        alternative="with_odds" if options.with_odds else options.alternative,
        progress_folder=progress_folder,
    )
    with progress(loaded.name, quiet=options.as_json) as on_progress:
        result = rehearsal.backtest(loaded, request, on_progress=on_progress)
    write_table(result.rows, options.out)
    rehearsal.remove_finished_periods(progress_folder)
    _report(options, result)


def _report(options: BacktestOptions, result: rehearsal.BacktestResult) -> None:
    if options.as_json:
        counts = {"rows": result.rows.height, "fits": result.fits, "reused": result.reused}
        baselines = [one.as_record() for one in result.comparisons]
        print_json({**counts, "candidate": result.candidate, **result.losses, "baselines": baselines})
        return
    typer.echo(f"{result.rows.height:,} rows in {options.out}: {result.candidate}, fitted {result.fits} times")
    if result.reused:
        typer.echo(f"{result.reused} of {result.fits} periods were finished by an earlier, interrupted backtest")
    for name, value in result.losses.items():
        typer.echo(f"{name} {value:.4f}")
    for comparison in result.comparisons:
        typer.echo(comparison.describe())


def _day(text: str) -> datetime:
    return parse_instant_or_day(text).astimezone(UTC)
