"""Numbers in, numbers out: intervals, paired comparisons, drift tests and reference profiles.

What comes in: arrays of losses or values, cluster labels (such as match days) in time order, a seed.
What goes out: frozen results (`Interval`, `Comparison`, `ColumnDrift`, `Profile`).
What it promises: no I/O, no clock, no state; the same numbers and seed give the same result. Rows of one
cluster stand or fall together, and clusters in time order may depend on their neighbours. SciPy is
imported only by the functions that need it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline._lazy import lazy_names

if TYPE_CHECKING:
    from touchline.statistics.bootstrap import RESAMPLES as RESAMPLES
    from touchline.statistics.bootstrap import optimal_block_length as optimal_block_length
    from touchline.statistics.bootstrap import stationary_indices as stationary_indices
    from touchline.statistics.clusters import cluster_codes as cluster_codes
    from touchline.statistics.clusters import cluster_means as cluster_means
    from touchline.statistics.comparison import MIN_CLUSTERS as MIN_CLUSTERS
    from touchline.statistics.comparison import Comparison as Comparison
    from touchline.statistics.comparison import alpha_at_look as alpha_at_look
    from touchline.statistics.comparison import paired_comparison as paired_comparison
    from touchline.statistics.drift import ColumnDrift as ColumnDrift
    from touchline.statistics.drift import check_columns as check_columns
    from touchline.statistics.effects import psi as psi
    from touchline.statistics.effects import psi_of_numbers as psi_of_numbers
    from touchline.statistics.effects import wasserstein as wasserstein
    from touchline.statistics.intervals import Interval as Interval
    from touchline.statistics.intervals import interval as interval
    from touchline.statistics.intervals import jackknife_interval as jackknife_interval
    from touchline.statistics.intervals import leave_out_weights as leave_out_weights
    from touchline.statistics.intervals import metric_interval as metric_interval
    from touchline.statistics.intervals import ratio_interval as ratio_interval
    from touchline.statistics.multiplicity import benjamini_hochberg as benjamini_hochberg
    from touchline.statistics.multiplicity import simes as simes
    from touchline.statistics.profile import CategoryColumn as CategoryColumn
    from touchline.statistics.profile import NumberColumn as NumberColumn
    from touchline.statistics.profile import Profile as Profile
    from touchline.statistics.profile import build_profile as build_profile
    from touchline.statistics.proportions import clopper_pearson as clopper_pearson
    from touchline.statistics.two_samples import chi_squared as chi_squared
    from touchline.statistics.two_samples import kolmogorov_smirnov as kolmogorov_smirnov
    from touchline.statistics.two_samples import mann_whitney as mann_whitney

__getattr__ = lazy_names(
    __name__,
    {
        "touchline.statistics.bootstrap": ["RESAMPLES", "optimal_block_length", "stationary_indices"],
        "touchline.statistics.clusters": ["cluster_codes", "cluster_means"],
        "touchline.statistics.comparison": ["MIN_CLUSTERS", "Comparison", "alpha_at_look", "paired_comparison"],
        "touchline.statistics.drift": ["ColumnDrift", "check_columns"],
        "touchline.statistics.effects": ["psi", "psi_of_numbers", "wasserstein"],
        "touchline.statistics.intervals": [
            "Interval",
            "interval",
            "jackknife_interval",
            "leave_out_weights",
            "metric_interval",
            "ratio_interval",
        ],
        "touchline.statistics.multiplicity": ["benjamini_hochberg", "simes"],
        "touchline.statistics.profile": ["CategoryColumn", "NumberColumn", "Profile", "build_profile"],
        "touchline.statistics.proportions": ["clopper_pearson"],
        "touchline.statistics.two_samples": ["chi_squared", "kolmogorov_smirnov", "mann_whitney"],
    },
)
