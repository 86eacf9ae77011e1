"""Summarise the rounds of `measure_speed` as rows of medians and ratios."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scaling_harness.text_table import print_columns
from sweeps.bench.training_speed import SIDES, Round, Shape, n_cores


@dataclass(frozen=True)
class Row:
    """One side of one size and batch: medians over the rounds that count.

    Attributes
    ----------
    side : str
        One of `training_speed.SIDES`.
    n_params, d_model, batch_tokens : int
        Shape of the run; the number of parameters includes the head.
    runs : int
        Number of runs trained at once, in all processes.
    tokens_per_s, flops_6nd_per_s, flops_matmul_per_s : float
        Rates of all processes together.
    gemm_share : float
        ``flops_matmul_per_s`` divided by the largest measured rate of matrix products alone.
    cores : float
        CPU seconds per second.
    times_baseline, times_processes : tuple of float
        Tokens per second divided by those of that side in the same round: median, least, most.
    memory_bytes : int
        Peak memory of all processes.
    """

    side: str
    n_params: int
    d_model: int
    batch_tokens: int
    runs: int
    tokens_per_s: float
    flops_6nd_per_s: float
    flops_matmul_per_s: float
    gemm_share: float
    cores: float
    times_baseline: tuple[float, float, float]
    times_processes: tuple[float, float, float]
    memory_bytes: int


def rows(measured: Sequence[tuple[Shape, list[Round]]]) -> list[Row]:
    """Summarise as one row per side; a size and batch without a round that counts has no row."""
    peak = max((one.gemm_flops_per_s for _, rounds in measured for one in rounds), default=1.0)
    return [
        _row(side, shape, counted, peak)
        for shape, rounds in measured
        if (counted := [one for one in rounds if one.counts])
        for side in SIDES
    ]


def _row(side: str, shape: Shape, rounds: Sequence[Round], peak: float) -> Row:
    tokens_per_s = statistics.median(one.tokens_per_s[side] for one in rounds)
    return Row(
        side=side,
        n_params=shape.n_params,
        d_model=shape.d_model,
        batch_tokens=shape.batch_tokens,
        runs={"baseline": 1, "processes": n_cores(), "ours": n_cores() * shape.stack}[side],
        tokens_per_s=tokens_per_s,
        flops_6nd_per_s=tokens_per_s * shape.flops_6nd,
        flops_matmul_per_s=tokens_per_s * shape.flops_matmul,
        gemm_share=tokens_per_s * shape.flops_matmul / peak,
        cores=statistics.median(one.samples[side].cores for one in rounds),
        times_baseline=_ratio(rounds, side, "baseline"),
        times_processes=_ratio(rounds, side, "processes"),
        memory_bytes=max(one.samples[side].memory_bytes for one in rounds),
    )


def _ratio(rounds: Sequence[Round], side: str, other: str) -> tuple[float, float, float]:
    ratios = [one.tokens_per_s[side] / one.tokens_per_s[other] for one in rounds]
    return statistics.median(ratios), min(ratios), max(ratios)


def cells(row: Row) -> dict[str, str]:
    """Format one row."""
    return {
        "N": f"{row.n_params:,}",
        "d": str(row.d_model),
        "batch": f"{row.batch_tokens:,}",
        "side": row.side,
        "runs": str(row.runs),
        "tokens/s": f"{row.tokens_per_s:,.0f}",
        "6ND GF/s": f"{row.flops_6nd_per_s / 1e9:.1f}",
        "matmul GF/s": f"{row.flops_matmul_per_s / 1e9:.1f}",
        "of GEMM": f"{row.gemm_share:.0%}",
        "cores": f"{row.cores:.2f}",
        "x baseline": _spread(row.times_baseline),
        "x processes": _spread(row.times_processes),
        "MB": f"{row.memory_bytes / 1e6:,.0f}",
    }


def _spread(ratio: tuple[float, float, float]) -> str:
    return "{:.2f} [{:.2f}, {:.2f}]".format(*ratio)


def print_speed(measured: Sequence[tuple[Shape, list[Round]]]) -> None:
    """Print the rows, how many rounds were left out and why, and the rate of matrix products."""
    table = [cells(row) for row in rows(measured)]
    if table:
        print_columns(tuple(table[0]), [list(row.values()) for row in table])
    every = [one for _, rounds in measured for one in rounds]
    left_out = sum(not one.counts for one in every)
    known = any(one.cores_left is not None for one in every)
    why = "the baseline could not have had 1.8 of two cores" if known else "this system hides other load"
    print(f"{len(every)} rounds, {left_out} discarded: {why}")
    peak = max(one.gemm_flops_per_s for one in every)
    print(f"GEMM: {peak / 1e9:.0f} GF/s in {n_cores()} one-thread processes, the largest of {len(every)} measurements")


def as_json(measured: Sequence[tuple[Shape, list[Round]]]) -> Mapping[str, object]:
    """Return the rows, and each round as measured, for JSON."""
    return {
        "rows": [vars(row) for row in rows(measured)],
        "cells": [
            {**vars(shape), "rounds": [{**vars(one), "samples": _samples(one), "counts": one.counts} for one in rounds]}
            for shape, rounds in measured
        ],
    }


def _samples(one: Round) -> dict[str, dict[str, float]]:
    return {side: vars(sample) for side, sample in one.samples.items()}
