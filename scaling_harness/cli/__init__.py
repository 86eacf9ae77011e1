"""The console command. Thin and lazy: a verb imports what it needs, `--help` imports nothing."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from scaling_harness.errors import HarnessError, UserError

_OVERRIDES = "Hydra overrides, such as model.d_model=64 runtime.workers=1"


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, with exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; see `{self.prog} --help`\n")


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    root = _Parser(prog="scaling-harness", description="Train ladders of small transformers, fit scaling laws to them.")
    verbs = root.add_subparsers(dest="verb", required=True, metavar="VERB")

    data = verbs.add_parser("data", help="tokenise a corpus once, list what is there, get a public table of runs")
    data.add_argument("action", choices=("prepare", "list", "get"))
    _add_overrides(data, more="; for get: names of public tables")
    data.add_argument(
        "--to", default="published", metavar="DIR", help="where get puts a download (default: %(default)s)"
    )
    _add_json(data)

    train = verbs.add_parser("train", help="train one run")
    _add_overrides(train)

    _add_sweep(verbs.add_parser("sweep", help="plan, run, extend, look at, retry or cancel a sweep of conf/sweep"))

    table = verbs.add_parser("table", help="every run as one tidy row")
    _add_runs(table)
    table.add_argument("--csv", metavar="F", help="write the table there")
    _add_json(table)

    _add_tune(
        verbs.add_parser("tune", help="search settings for each size, architecture and data set of a sweep alike")
    )

    rule = verbs.add_parser("rule", help="best learning rate and batch of each N and D of a sweep, and their laws")
    _add_place(rule)
    _add_json(rule)

    pairs = verbs.add_parser("pairs", help="runs that differ in some settings alone: their losses and cost, in pairs")
    _add_place(pairs)
    pairs.add_argument("--by", required=True, metavar="FIELD,...", help="science fields, such as schedule.kind")
    _add_json(pairs)

    transfer = verbs.add_parser("transfer", help="what the learning rate of the smallest width costs at larger ones")
    _add_place(transfer)
    _add_json(transfer)

    _add_fit(verbs.add_parser("fit", help="fit laws to runs or to a table"))
    _add_forecast(verbs.add_parser("forecast", help="best N and D of a budget, a loss, or the compute it takes"))
    _add_compare(verbs.add_parser("compare", help="exponents of fits side by side, and what may not be compared"))

    _add_bench(
        verbs.add_parser("bench", help="measure the fitter, training, the way to a law, or sweeps of no-op runs")
    )

    report = verbs.add_parser("report", help="figures and report.html, also of a sweep still running")
    _add_runs(report)
    _add_json(report)

    reproduce = verbs.add_parser("reproduce", help="the main job: sweep, fits, figures, report")
    reproduce.add_argument("--tier", choices=("mini", "quick", "standard"), default="quick")
    _add_overrides(reproduce)
    _add_tuned(reproduce)
    _add_mix_versions(reproduce)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name; by default that of this process, which then also imports from
        the working directory, so that `model.target=my_model:mixer` finds the user's file.

    Returns
    -------
    int
        0 done; 1 a run or a fit failed; 2 bad arguments, configuration or data; 130 interrupted.
    """
    if arguments is None and not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())
    options = _parse(arguments)
    try:
        from scaling_harness.cli import (
            verbs,
            verbs_analysis,
            verbs_bench,
            verbs_forecast,
            verbs_pairs,
            verbs_recipe,
            verbs_sweep,
            verbs_tune,
        )

        modules = (
            verbs_analysis,
            verbs_forecast,
            verbs_bench,
            verbs_recipe,
            verbs_pairs,
            verbs_tune,
            verbs_sweep,
            verbs,
        )
        verb = next(getattr(module, options.verb) for module in modules if hasattr(module, options.verb))
        return verb(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except HarnessError as error:
        print(f"failed: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped; run the same command again to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Let overrides stand before and after options, which argparse alone does not."""
    root = parser()
    options, rest = root.parse_known_args(arguments)
    if any(word.startswith("-") for word in rest) or (rest and "overrides" not in options):
        root.error(f"unrecognised arguments: {' '.join(rest)}")
    if rest:
        options.overrides += rest
    return options


def _add_sweep(sweep: argparse.ArgumentParser) -> None:
    sweep.add_argument(
        "action", choices=("plan", "run", "status", "logs", "retry", "cancel", "extend", "mirror", "probe")
    )
    sweep.add_argument("name", metavar="NAME", help="a file of conf/sweep, without .yaml")
    _add_overrides(sweep, more="; for logs: a part of a run's name")
    sweep.add_argument("--watch", action="store_true", help="status: again and again, until every run is finished")
    sweep.add_argument("--failed", action="store_true", help="retry: the failed runs")
    sweep.add_argument(
        "--mode", choices=("offline", "online"), default="offline", help="mirror: to wandb (%(default)s)"
    )
    sweep.add_argument("--again", action="store_true", help="probe: also where there was one before")
    _add_tuned(sweep)
    _add_mix_versions(sweep)
    _add_json(sweep)


def _add_tune(tune: argparse.ArgumentParser) -> None:
    tune.add_argument("name", metavar="NAME", help="a file of conf/sweep, without .yaml")
    _add_overrides(tune)
    tune.add_argument("--over", required=True, metavar="FIELD,...", help="such as optim.lr,budget.batch")
    tune.add_argument(
        "--trials", type=int, default=12, metavar="K", help="settings tried for each group (default: %(default)s)"
    )
    _add_json(tune)


def _add_tuned(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tuned", metavar="NAME", help="with the settings that `tune NAME` found")


def _add_mix_versions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mix-versions", action="store_true", help="go on although the code changed meanwhile")


def _add_fit(fit: argparse.ArgumentParser) -> None:
    _add_runs(
        fit,
        counts="of non_embedding, with_head, total, comma-separated (default: with_head); for a table: what its N is",
    )
    fit.add_argument("--law", default="chinchilla", help="comma-separated laws (default: %(default)s)")
    fit.add_argument(
        "--columns", metavar="N=...,D=...,loss=...", help="columns of a table; N=size*1e6 brings one to its unit"
    )
    fit.add_argument("--drop-worst", type=int, default=0, metavar="K", help="leave out the K largest losses")
    fit.add_argument("--resamples", type=int, default=1000, metavar="K", help="of the bootstrap (default: %(default)s)")
    fit.add_argument(
        "--objective", default="log_huber", choices=("log_huber", "raw_huber", "log_squares", "raw_squares")
    )
    fit.add_argument(
        "--delta",
        type=float,
        default=1e-3,
        metavar="X",
        help="Huber's threshold, in the residual's unit (default: 1e-3)",
    )
    fit.add_argument("--weights", metavar="W", help="a column, or noise: one over the variance between seeds")
    fit.add_argument("--clusters", metavar="COLUMN", help="runs resampled as one, such as checkpoints of a trunk")
    fit.add_argument(
        "--resample",
        choices=("cases", "residuals", "noise", "sandwich"),
        help="default: cases for a table or clusters, residuals for a sweep",
    )
    fit.add_argument("--profiles", action="store_true", help="also profile every parameter, as a cross-check")
    fit.add_argument("--influence", type=int, default=0, metavar="K", help="say what leaving out each run does, K rows")
    fit.add_argument("--objectives", action="store_true", help="also what each objective makes of the same runs")
    fit.add_argument("--approaches", action="store_true", help="also the three approaches side by side, with a verdict")
    fit.add_argument(
        "--out", metavar="F", help="save the fit as JSON; several fits get their law and count in the name"
    )
    _add_json(fit)


def _add_bench(bench: argparse.ArgumentParser) -> None:
    bench.add_argument("action", choices=("fit", "coverage", "sweep", "train", "law"))
    _add_overrides(bench, more="; for train and law")
    bench.add_argument("--resamples", type=int, metavar="K", help="default: 4000 for fit, 400 a sweep for coverage")
    bench.add_argument("--table", metavar="F", help="fit: these runs instead of simulated ones")
    bench.add_argument("--columns", metavar="N=...,D=...,loss=...", help="fit: columns of the table")
    bench.add_argument("--drop-worst", type=int, default=0, metavar="K", help="fit: leave out the K largest losses")
    bench.add_argument(
        "--share", type=float, default=1.0, metavar="P", help="fit: part of the baseline measured, then scaled up"
    )
    bench.add_argument("--sweeps", type=int, default=2000, metavar="K", help="coverage: default %(default)s a scenario")
    bench.add_argument("--scenarios", metavar="S,...", help="coverage: of hoffmann, isoflop, asymmetric (default: all)")
    bench.add_argument(
        "--methods",
        default="cases,residuals,noise,sandwich,profile,approaches",
        metavar="M,...",
        help="coverage: default %(default)s",
    )
    bench.add_argument("--runs", type=int, default=10_000, metavar="K", help="sweep: planned (default: %(default)s)")
    bench.add_argument("--drained", type=int, default=1000, metavar="K", help="sweep: finished (default: %(default)s)")
    bench.add_argument("--workers", type=int, default=16, metavar="K", help="sweep: at once (default: %(default)s)")
    bench.add_argument("--directory", metavar="DIR", help="sweep: on the file system to measure; law: of its runs")
    bench.add_argument("--sizes", metavar="N,...", help="train: N with head (default: 1e4,3e4,1e5,3e5,1e6)")
    bench.add_argument("--batches", metavar="B,...", help="train: tokens a step (default: 256,2048)")
    bench.add_argument(
        "--stack", type=int, default=4, metavar="R", help="train: runs in lockstep (default: %(default)s)"
    )
    bench.add_argument("--rounds", type=int, default=5, metavar="K", help="train: of each pair (default: %(default)s)")
    bench.add_argument(
        "--seconds", type=float, default=1.0, metavar="S", help="train: of each side in a round (default: %(default)s)"
    )
    bench.add_argument("--sweep", default="reproduce-quick", metavar="NAME", help="law: ours (default: %(default)s)")
    bench.add_argument(
        "--baseline", default="bench-law", metavar="NAME", help="law: its grid; NAME-tune: its search (%(default)s)"
    )
    bench.add_argument(
        "--minutes", type=float, default=15.0, metavar="T", help="law: that ours has (default: %(default)s)"
    )
    bench.add_argument(
        "--baseline-minutes", type=float, default=60.0, metavar="T", help="law: the baseline's (default: %(default)s)"
    )
    bench.add_argument(
        "--trials", type=int, default=12, metavar="K", help="law: of the baseline's search (default: %(default)s)"
    )
    _add_json(bench)


def _add_forecast(forecast: argparse.ArgumentParser) -> None:
    forecast.add_argument("source", metavar="FIT", help="a file of `fit --out`, or published:NAME")
    forecast.add_argument("--flops", type=float, metavar="C", help="a budget")
    forecast.add_argument("--n-params", type=float, metavar="N")
    forecast.add_argument("--n-tokens", type=float, metavar="D", help="with --n-params: the loss; alone: where optimal")
    forecast.add_argument("--loss", type=float, metavar="L", help="nats per token: the compute it takes")
    forecast.add_argument(
        "--batch", metavar="B", help="for L(N,S): tokens a step, or kaplan2020, its critical batch as the loss falls"
    )
    _add_json(forecast)


def _add_compare(compare: argparse.ArgumentParser) -> None:
    compare.add_argument("sources", nargs="+", metavar="FIT", help="files of `fit --out`, or published:NAME")
    compare.add_argument("--flops", type=float, metavar="C", help="also the compute for equal loss, at this budget")
    compare.add_argument("--common", action="store_true", help="also test common exponents with separate offsets")
    _add_json(compare)


def _add_overrides(parser: argparse.ArgumentParser, more: str = "") -> None:
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=_OVERRIDES + more)
    parser.add_argument(
        "--config-dir", metavar="DIR", help="more configuration groups, such as your own sweep/NAME.yaml"
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout and nothing else")


def _add_place(parser: argparse.ArgumentParser, what: str = "a sweep (name or folder)") -> None:
    parser.add_argument("runs", metavar="RUNS", help=what)
    parser.add_argument("--runs-dir", default="runs", metavar="DIR", help="where sweeps are (default: %(default)s)")


def _add_runs(parser: argparse.ArgumentParser, counts: str | None = None) -> None:
    _add_place(parser, "a sweep (name or folder), or a CSV, JSONL or Parquet table")
    if counts:
        parser.add_argument("--count", metavar="COUNT", help=counts)
        return
    parser.add_argument(
        "--count",
        default="with_head",
        choices=("non_embedding", "with_head", "total"),
        help="which N (default: with_head)",
    )
