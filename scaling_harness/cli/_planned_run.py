"""From a size to a run that can be started: its shape, its overrides, and the sweep about it."""

import shlex
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling_harness.cli._options import composed
from scaling_harness.config.as_overrides import differences
from scaling_harness.config.compose import run_config
from scaling_harness.config.schema import Count, NamedRule, PowerRule, Rule, RunConfig
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.plan.scale_rules import RULE_FORMULAS
from scaling_harness.plan.shape_for_size import Shape, nearest_shape, shapes_of
from scaling_harness.plan.sized_run import SizedRun, sized_run, vocab_size_of
from sweeps.planning.recipe import Recipe, default_recipe, recipe_of

if TYPE_CHECKING:
    from analysis.forecasting.source import Source

CONF = Path("conf")
"""Folder of the sweeps that are written, if none is given; in a checkout that of its own."""
OF_THE_DEFAULT = (
    "the run has the settings of the default configuration, whose batch and learning rate were found at N of 1e4 to 1e5"
)
CHOSEN_HERE = ("model.d_model", "model.n_layer", "budget", "budget.n_tokens", "budget.train_flops")
"""Settings that no override may have, since the plan chooses them."""


@dataclass(frozen=True)
class Wanted:
    """What is to be trained."""

    document: Mapping[str, Any]
    show: Callable[[], None]
    """Prints it."""
    n_params: float
    train_flops: float
    tokens: Callable[[float], float]
    """D that the budget gives an N."""
    count: Count
    recipe: Recipe
    forecast: str
    law: str = "chinchilla"
    for_use: tuple[float, float] | None = None
    """N and D of least training and inference, if that was asked for."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class MadeRun:
    """The run, and every shape that its architecture may have."""

    run: SizedRun
    shapes: tuple[Shape, ...]
    for_use: SizedRun | None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return _document(self.run) | {"for_use": self.for_use and _document(self.for_use), "notes": self.notes}

    @property
    def words(self) -> list[str]:
        """Overrides that make it."""
        return differences(self.run.config).overrides()

    @property
    def notes(self) -> list[str]:
        """Where its rules are from."""
        settings = {self.run.config.optim.lr, self.run.config.budget.batch_tokens}
        named = sorted({setting.rule for setting in settings if isinstance(setting, NamedRule)})
        return [f"{rule}: {RULE_FORMULAS[rule].source}" for rule in named]

    def lines(self, wanted: Wanted, config_dir: Path | None) -> list[str]:
        """What is trained, and the command; the same of the run for use."""
        made = [f"the run: {_sentence(self.run, wanted.n_params, wanted.count)}", "", _command(self.run, config_dir)]
        if self.for_use is None or wanted.for_use is None:
            return made
        words = _sentence(self.for_use, wanted.for_use[0], wanted.count)
        return [*made, "", f"for training and use: {words}", "", _command(self.for_use, config_dir)]


def _document(run: SizedRun) -> dict[str, Any]:
    model = run.config.model
    plain = {name: getattr(run, name) for name in ("n_params", "batch_tokens", "n_steps", "n_tokens", "learning_rate")}
    shape = {"n_layer": model.n_layer, "d_model": model.d_model}
    return {**shape, **plain, "overrides": differences(run.config).overrides()}


def _sentence(run: SizedRun, wanted: float, count: Count) -> str:
    """Its shape, length, batch and learning rate, and where those are from."""
    model, N = run.config.model, run.n_params[count]
    width = " (at width 64, muP)" if model.parametrisation == "mup" else ""
    return (
        f"n_layer {model.n_layer}, d_model {model.d_model}: N = {N:,} ({count.replace('_', ' ')}, "
        f"{N / wanted - 1:+.1%} from the best), D = {run.n_tokens:,}; batch {run.batch_tokens:,} tokens by "
        f"{_origin(run.config.budget.batch_tokens)}, {run.n_steps:,} steps; learning rate {run.learning_rate:.3g}"
        f"{width} by {_origin(run.config.optim.lr)}"
    )


def _command(run: SizedRun, config_dir: Path | None) -> str:
    more = ["--config-dir", str(config_dir)] if config_dir else []
    return shlex.join(["scaling-harness", "train", *differences(run.config).overrides(), *more])


def recipe_of_source(source: "Source") -> tuple[Recipe, list[str]]:
    """The recipe of a fit's runs; that of the default configuration, with the reason, if they do not say."""
    from analysis.runs.from_records import is_sweep, listing_of

    where = (source.settings.get("source") or {}).get("path")
    default = f"; {OF_THE_DEFAULT}"
    if where is None:
        return default_recipe(), [f"{source.name} has no runs here{default}"]
    try:
        listing = listing_of(Path(where)) if is_sweep(Path(where)) else None
        if listing is None:
            return default_recipe(), [f"{where} does not say how its runs were configured{default}"]
        return recipe_of(listing), []
    except HarnessError as error:
        return default_recipe(), [f"{error}{default}"]


def make_run(args: Namespace, wanted: Wanted) -> MadeRun:
    """Find the shape, and give the recipe that shape and the length."""
    if wrong := next((word for word in args.overrides if word.partition("=")[0] in CHOSEN_HERE), None):
        raise UserError(
            f"{wrong}: the plan chooses the shape and the length itself; --layers sets the number of layers"
        )
    config = _config(args, wanted.recipe)
    n_layer = args.layers or wanted.recipe.n_layer or depth_rule(config.optim.lr)
    shapes = shapes_of(config.model, vocab_size_of(config.data), n_layer, wanted.recipe.aspect)
    shape = nearest_shape(shapes, wanted.n_params, wanted.count)
    run = sized_run(config, shape, wanted.tokens(shape.n_params[wanted.count]))
    if wanted.for_use is None:
        return MadeRun(run, shapes, None)
    n_params, n_tokens = wanted.for_use
    return MadeRun(run, shapes, sized_run(config, nearest_shape(shapes, n_params, wanted.count), n_tokens))


def depth_rule(lr: float | Rule) -> str | None:
    """The rule of the learning rate, if it says how many layers are best."""
    return lr.rule if isinstance(lr, NamedRule) and RULE_FORMULAS[lr.rule].n_layer else None


def write_rung(args: Namespace, wanted: Wanted, made: MadeRun) -> Path:
    """Plan five sizes about the best at the budget, and write them as a sweep if they can be trained."""
    from sweeps.planning.expand import expand
    from sweeps.planning.next_rung import rung, rung_shapes, write_sweep_file

    question = f"Does the forecast hold at {wanted.train_flops:.3g} FLOP: {wanted.forecast}?"
    shapes = rung_shapes(made.shapes, wanted.n_params, wanted.count)
    sweep = rung(args.write, question, shapes, wanted.train_flops, wanted.count, wanted.law)
    try:
        jobs = expand({**_composed(args, made.words), "sweep": sweep})
    except UserError as error:
        raise UserError(f"the rung cannot be trained as it is, and is not written: {error}") from error
    folder = args.config_dir or CONF
    comments = {
        "Question": question,
        "Command": f"scaling-harness sweep run {args.write} --config-dir {folder}",
        "Runs": str(sum(len(job.runs) for job in jobs)),
        "FLOPs": f"{sum(job.train_flops for job in jobs):.3g}",
        "Answer": "not trained yet",
    }
    return write_sweep_file(folder, differences(made.run.config), sweep, comments)


def _config(args: Namespace, recipe: Recipe) -> RunConfig:
    """The recipe, with tuned settings if asked for, and the user's overrides last."""
    from sweeps.tuning.tuned_settings import tuned_overrides

    words = differences(recipe.config).overrides()
    document = _composed(args, words)
    if args.tuned:
        words += tuned_overrides(Path(document["runtime"]["runs_dir"]), args.tuned)
        document = _composed(args, words)
    return run_config(document)


def _composed(args: Namespace, words: Sequence[str]) -> dict[str, Any]:
    """Compose; the folder of a sweep that is yet to be written may be missing."""
    missing = args.write and args.config_dir and not args.config_dir.is_dir()
    return composed(Namespace(**vars(args) | {"config_dir": None}) if missing else args, *words)


def _origin(setting: object) -> str:
    """What decides a setting."""
    if isinstance(setting, PowerRule | NamedRule):
        return f"the rule {setting.rule}"
    return "a number of the configuration"
