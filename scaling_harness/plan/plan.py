"""Derive from a configuration everything it implies: steps, learning rate, counts, FLOPs, identity.

Nothing is derived elsewhere; `sweep plan` prints it before anything is trained.
"""

import dataclasses
import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic_core import to_jsonable_python

from scaling_harness.config.schema import (
    PRESETS,
    BranchedSchedule,
    CosineSchedule,
    DataConfig,
    EvaluationConfig,
    FlopsBudget,
    ModelConfig,
    RatioBudget,
    RepeatedData,
    Rule,
    RunConfig,
    ScheduleConfig,
    TokensBudget,
    Warmup,
    WsdSchedule,
)
from scaling_harness.data.source_info import PreparedData
from scaling_harness.errors import UserError
from scaling_harness.models import param_flop_counts, registry
from scaling_harness.plan.lr_schedule import DecayShape, lr_multiplier
from scaling_harness.plan.scale_rules import Scale, batch_tokens, learning_rate

_LATER_EVALUATION = ("noise_every", "noise_seqs", "best_checkpoint", "by_position", "answer_tokens")
NUMERICS_VERSION = 2
"""Increased by hand whenever the same configuration would train to other numbers."""


@dataclass(frozen=True)
class Plan:
    """One resolved run: all that training needs, frozen and printable."""

    config: RunConfig
    data: PreparedData
    batch_tokens: int
    """Tokens per step."""
    n_steps: int
    n_unique_tokens: int
    warmup_steps: int
    learning_rate: float
    """Peak learning rate; with muP the one at width 64."""
    params: dict[str, int]
    n_params: dict[str, int]
    flops_per_token: dict[str, float]
    trunk: str | None = None
    """run_id of the run that takes the steps before the branch point. Like `branches`, it is not part of the
    identity."""
    branches: tuple[tuple[int, str], ...] = ()
    """Branches of a trunk: the step of each branch point and the run_id that starts there."""
    stackable: bool = True
    """Whether its architecture trains runs of one shape in lockstep."""
    architecture_source: str | None = None
    """SHA-256 of the file of a user's own architecture; like the version of the harness, not part of the identity."""

    @property
    def batch_seqs(self) -> int:
        """Contexts per step."""
        return self.batch_tokens // self.config.model.n_ctx

    @property
    def n_tokens(self) -> int:
        """D, the training tokens: a whole number of steps."""
        return self.n_steps * self.batch_tokens

    @property
    def epochs(self) -> float:
        """Passes over the unique training tokens."""
        return self.n_tokens / self.n_unique_tokens

    @property
    def train_flops(self) -> dict[str, float]:
        """C of the whole run by every convention."""
        return {name: flops * self.n_tokens for name, flops in self.flops_per_token.items()}

    def spent(self, steps: int) -> tuple[int, float]:
        """Tokens and FLOPs (6ND with head) of a number of steps."""
        tokens = steps * self.batch_tokens
        return tokens, tokens * self.flops_per_token["6nd_with_head"]

    @property
    def decay_start(self) -> int:
        """Number of steps before the decay or the change of batch, the branch point of a branch."""
        return _decay(self.config, self.n_steps, self.warmup_steps, self.batch_tokens)[1]

    @property
    def trunk_steps(self) -> int:
        """Number of steps that a trunk takes to the branch point: its batch may be another one."""
        schedule = self.config.schedule
        if isinstance(schedule, BranchedSchedule):
            return schedule.start_tokens // schedule.start_batch_tokens
        return self.decay_start

    @property
    def own_steps(self) -> int:
        """Number of steps without those of its trunk."""
        return self.n_steps - (self.decay_start if self.trunk else 0)

    def lr_at(self, step: int) -> float:
        """Learning rate at a 0-based step."""
        shape, start, final = _decay(self.config, self.n_steps, self.warmup_steps, self.batch_tokens)
        fall = fall_exponent_of(self.config.schedule)
        end = _decay_end(self.config.schedule, self.n_steps)
        factor = lr_multiplier(step, end, self.warmup_steps, start, shape, final, fall)
        return self.learning_rate * factor

    @cached_property
    def eval_steps(self) -> tuple[int, ...]:
        """Steps after which the validation loss is measured: log-spaced over the last two decades."""
        n_points = self.config.evaluation.n_points
        fractions = (100.0 ** (i / n_points - 1) for i in range(1, n_points + 1))
        return tuple(sorted({max(1, round(self.n_steps * x)) for x in fractions}))

    def measures_noise_at(self, step: int) -> bool:
        """Whether the gradient noise scale is measured after `step` steps."""
        every = self.config.evaluation.noise_every
        return every > 0 and step % every == 0

    @cached_property
    def science(self) -> dict[str, Any]:
        """The fields that decide the numbers, as plain data, which the fingerprint hashes."""
        return {
            "numerics_version": NUMERICS_VERSION,
            "model": _model_science(self.config.model),
            "data": _data_science(self.config.data, self.data),
            "optim": _plain(self.config.optim) | {"lr": _rule_science(self.config.optim.lr)},
            "schedule": _schedule_science(self.config.schedule),
            "budget": self._budget_science,
            "evaluation": _evaluation_science(self.config.evaluation),
            "seed": self.config.seed,
        }

    @property
    def _budget_science(self) -> dict[str, Any]:
        lengths = {"batch_tokens": self.batch_tokens, "n_steps": self.n_steps}
        rule = self.config.budget.batch_tokens
        return lengths if isinstance(rule, int) else lengths | {"batch_rule": _rule_science(rule)}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the science fields."""
        return hashlib.sha256(json.dumps(self.science, sort_keys=True).encode()).hexdigest()

    @cached_property
    def name(self) -> str:
        """Readable name, not unique."""
        model = self.config.model
        target = self.science["model"]["target"]
        kind = target.rpartition(":")[2] if target else model.parametrisation
        size = f"l{model.n_layer}-d{model.d_model}"
        return f"{kind}-{size}-D{_short(self.n_tokens)}-s{self.config.seed}"

    @property
    def run_id(self) -> str:
        """Name and start of the fingerprint, also the name of the run's folder in the store."""
        return f"{self.name}-{self.fingerprint[:8]}"


@dataclass(frozen=True)
class Job:
    """One or more runs that are planned, claimed and executed together, after the trunks they need."""

    runs: tuple[Plan, ...]
    """Runs of the same shape and batch, trained in lockstep."""
    planned_as: str | None = None
    """job_id of the whole stack, if runs that have ended are left out."""

    @property
    def job_id(self) -> str:
        """run_id of a single run; for a stack, a hash of the fingerprints of all its runs, ended ones included."""
        if self.planned_as:
            return self.planned_as
        if len(self.runs) == 1:
            return self.runs[0].run_id
        prints = "".join(run.fingerprint for run in self.runs)
        return f"stack{len(self.runs)}-{hashlib.sha256(prints.encode()).hexdigest()[:12]}"

    @property
    def needs(self) -> tuple[str, ...]:
        """run_ids of the trunks that its runs branch from."""
        return tuple(run.trunk for run in self.runs if run.trunk)

    @property
    def train_flops(self) -> float:
        """6ND with head of all runs, without the steps of their trunks; jobs start in descending order of it."""
        return sum(run.spent(run.own_steps)[1] for run in self.runs)

    def without(self, run_ids: Collection[str]) -> "Job | None":
        """Leave out runs that have ended, and keep the job_id; None if no run is left."""
        rest = tuple(run for run in self.runs if run.run_id not in run_ids)
        if len(rest) == len(self.runs):
            return self
        return dataclasses.replace(self, runs=rest, planned_as=self.job_id) if rest else None


def resolve(config: RunConfig, data: PreparedData) -> Plan:
    """Derive a plan from a configuration and its prepared data.

    Parameters
    ----------
    config : RunConfig
        Configuration of the run.
    data : DataInfo or SourceInfo
        Result of `prepare.prepare`.

    Returns
    -------
    Plan

    Raises
    ------
    UserError
        The batch is not a whole number of contexts, the budget is shorter than one step, the warm-up is longer than the
        run, the learning-rate rule gives no positive value, or D exceeds the tokens of the corpus.
    """
    model = config.model
    architecture = registry.describe(model, data.vocab_size)
    params = {group: architecture.params.get(group, 0) for group in param_flop_counts.GROUPS}
    n_params = registry.n_params_of(architecture)
    at = Scale(n_params, _n_tokens(config.budget, n_params), model.n_layer, model.d_model, model.n_ctx)
    batch = batch_tokens(config.budget.batch_tokens, at)
    n_steps = _n_steps(at.n_tokens, batch, model.n_ctx)
    n_tokens = n_steps * batch
    n_unique = data.n_unique_tokens(model.n_ctx) or n_tokens  # tokens that never repeat are as many as are used
    if isinstance(config.schedule, BranchedSchedule):
        warmup_steps = _warmup_before_branch(config.schedule, n_tokens, batch)
    else:
        warmup_steps = _warmup_steps(config.schedule.warmup, n_steps, batch)
    peak_at = warmup_steps * batch if fall_exponent_of(config.schedule) else n_tokens
    _check_unique(n_tokens, n_unique, config.data.max_epochs)
    return Plan(
        config=config,
        data=data,
        batch_tokens=batch,
        n_steps=n_steps,
        n_unique_tokens=n_unique,
        warmup_steps=warmup_steps,
        learning_rate=learning_rate(config.optim.lr, dataclasses.replace(at, n_tokens=peak_at)),
        params=params,
        n_params=n_params,
        flops_per_token=param_flop_counts.flops_per_token(
            n_params, architecture.flops_per_token, architecture.other_flops
        ),
        stackable=architecture.stackable,
        architecture_source=registry.source_hash(model.target),
    )


def fall_exponent_of(schedule: ScheduleConfig) -> float:
    """Power of the tokens with which a rate falls before its decay; 0 for a schedule that has none."""
    return 0.0 if isinstance(schedule, CosineSchedule | BranchedSchedule) else schedule.fall_exponent


def _decay_end(schedule: ScheduleConfig, n_steps: int) -> int:
    """Step at which the decay ends, after the last one for a cosine longer than the run."""
    return round(schedule.cycle * n_steps) if isinstance(schedule, CosineSchedule) else n_steps


def _n_steps(n_tokens: float, batch: int, n_ctx: int) -> int:
    if batch % n_ctx:
        lower = max(1, batch // n_ctx) * n_ctx
        raise UserError(f"budget.batch_tokens {batch} is not a whole number of contexts of {n_ctx}; try {lower}")
    n_steps = round(n_tokens / batch)
    if n_steps < 1:
        raise UserError(
            f"a budget of {n_tokens:.0f} tokens is less than one step of {batch}; "
            "raise the budget or lower budget.batch_tokens"
        )
    return n_steps


def _n_tokens(budget: TokensBudget | FlopsBudget | RatioBudget, n_params: dict[str, int]) -> float:
    if isinstance(budget, TokensBudget):
        return budget.n_tokens
    if isinstance(budget, FlopsBudget):
        return budget.train_flops / (6 * n_params[budget.count])
    return budget.tokens_per_param * n_params[budget.count]


def _check_unique(n_tokens: int, n_unique: int, max_epochs: float) -> None:
    if n_tokens > n_unique * max_epochs:
        raise UserError(
            f"the run needs {n_tokens} tokens, but {n_unique} are available at one epoch and data.max_epochs is "
            f"{max_epochs:g}; lower the budget, use a larger corpus, or allow repetition with data.max_epochs"
        )


def _warmup_before_branch(schedule: BranchedSchedule, n_tokens: int, batch: int) -> int:
    """Steps of this run's batch in the warm-up of the run before; refuse a branch point that both cannot have."""
    start = schedule.start_tokens
    for of, tokens in (("schedule.start_batch_tokens", schedule.start_batch_tokens), ("budget.batch_tokens", batch)):
        if start % tokens:
            raise UserError(
                f"schedule.start_tokens {start} is not a whole number of steps of {of} {tokens}: "
                f"try {max(1, start // tokens) * tokens}"
            )
    if start >= n_tokens:
        raise UserError(f"schedule.start_tokens {start} leaves nothing of a run of {n_tokens} tokens: raise the budget")
    if schedule.warmup.unit == "fraction":
        raise UserError(
            "the warm-up of a branched run is that of the run before, whose length is another: give it in steps or "
            "tokens, such as schedule.warmup={unit: tokens, amount: 20000}"
        )
    before = _warmup_steps(schedule.warmup, start // schedule.start_batch_tokens, schedule.start_batch_tokens)
    return before * schedule.start_batch_tokens // batch


def _warmup_steps(warmup: Warmup, n_steps: int, batch_tokens: int) -> int:
    if warmup.unit == "fraction":
        return round(warmup.amount * n_steps)
    steps = warmup.amount if warmup.unit == "steps" else warmup.amount / batch_tokens
    if steps > n_steps:
        raise UserError(
            f"a warm-up of {warmup.amount:g} {warmup.unit} is {steps:.0f} steps, the run has {n_steps}; shorten it"
        )
    return round(steps)


def _decay(config: RunConfig, n_steps: int, warmup_steps: int, batch: int) -> tuple[DecayShape, int, float]:
    schedule = config.schedule
    if isinstance(schedule, CosineSchedule):
        return "cosine", warmup_steps, schedule.final_fraction
    if isinstance(schedule, WsdSchedule):
        start = max(warmup_steps, n_steps - round(schedule.cooldown_fraction * n_steps))
        return schedule.shape, start, schedule.final_fraction
    if isinstance(schedule, BranchedSchedule):
        return "constant", schedule.start_tokens // batch, 1.0
    return "constant", n_steps, 1.0


def _model_science(model: ModelConfig) -> dict[str, Any]:
    """Fields of the model with the derived heads, without later fields that are as in earlier versions."""
    plain = _plain(model)
    del plain["d_head"]
    later = {**PRESETS[model.parametrisation]._asdict(), "options": {}}
    kept = {key: value for key, value in plain.items() if key not in later or value not in (None, later[key])}
    return kept | {"n_head": model.heads, "target": registry.recorded_target(model.target)}


def _data_science(config: DataConfig, data: PreparedData) -> dict[str, Any]:
    """The tokens, and how many of them are trained on if not all, or how often."""
    subset = {} if data.train_tokens is None else {"train_tokens": data.train_tokens}
    if isinstance(config, RepeatedData):
        subset |= {"fraction": config.fraction, "n_repeated_tokens": config.n_repeated_tokens}
    return {"data_id": data.data_id, "kind": config.kind} | subset


def _rule_science(setting: float | Rule) -> Any:
    """Plain form of a number or a rule, without the horizon if that is null."""
    plain = _plain(setting)
    return {k: v for k, v in plain.items() if (k, v) != ("horizon", None)} if isinstance(plain, dict) else plain


def _schedule_science(schedule: Any) -> dict[str, Any]:
    """Fields of the schedule, without later ones that change no number at their defaults."""
    later = {"fall_exponent": 0.0, "cycle": 1.0}
    return {key: value for key, value in _plain(schedule).items() if later.get(key) != value}


def _evaluation_science(evaluation: EvaluationConfig) -> dict[str, Any]:
    """Fields of the evaluation, without later ones that change no number and have their default."""
    later = {name: to_jsonable_python(getattr(EvaluationConfig, name)) for name in _LATER_EVALUATION}
    return {key: value for key, value in _plain(evaluation).items() if key not in later or later[key] != value}


def _plain(config: Any) -> dict[str, Any]:
    return to_jsonable_python(config)


def _short(n_tokens: int) -> str:
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if n_tokens >= size:
            return f"{n_tokens / size:.3g}{unit}"
    return str(n_tokens)
