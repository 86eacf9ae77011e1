"""The run record: all that training hands to analysis, beside the curve.

A run directory holds `record.json`, written last (if it exists, the run is finished or has failed for good), and
`metrics.jsonl`, appended during training and readable at any time.
"""

import contextlib
import dataclasses
import functools
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from scaling_harness.errors import HarnessError
from scaling_harness.record.atomic_files import parse_json, write_json

SCHEMA_VERSION = 4
"""Increased by hand whenever a field of `RunRecord` changes its name, unit or meaning."""

RECORD_FILE = "record.json"
METRICS_FILE = "metrics.jsonl"

Status = Literal["completed", "diverged", "failed"]

_NO_OTHER_FIELDS = {"extra": "forbid"}


@dataclass(frozen=True)
class EvalLoss:
    """Mean cross-entropy on one evaluation set."""

    __pydantic_config__: ClassVar = _NO_OTHER_FIELDS

    loss_nats: float
    """Nats per token."""
    stderr_nats: float
    """Standard error of the mean over evaluation windows."""
    n_tokens: int
    block_losses_nats: list[float] = field(default_factory=list)
    """Means over equal blocks of consecutive windows, in order of the text; none in records of earlier versions."""
    position_losses_nats: list[float] = field(default_factory=list)
    """Means by position in the context, that of the first target first; none unless `evaluation.by_position`."""
    entropy_nats: float | None = None
    """Exact entropy of the tokens, if their law is known: what lies above is the mean divergence from it, and the
    standard error is that of the divergence. None for text, and in records of earlier versions."""
    answers: list[list[int]] = field(default_factory=list)
    """Number of tokens, of answers without an error and of all answers, for each of `evaluation.answer_tokens`."""


@dataclass(frozen=True)
class BestCheckpoint:
    """The step of a run's lowest validation loss, where early stopping would have ended it."""

    __pydantic_config__: ClassVar = _NO_OTHER_FIELDS

    step: int
    n_tokens: int
    """Training tokens seen by then."""
    losses: dict[str, EvalLoss]
    """Losses at that step by evaluation set, on as many tokens as the final ones. `valid` is what the step was chosen
    by, on fewer."""


@dataclass(frozen=True)
class RunRecord:
    """Everything known about one run. What is unknown is None with a warning, never 0."""

    __pydantic_config__: ClassVar = _NO_OTHER_FIELDS

    run_id: str
    """Readable name and the first 8 hex digits of the fingerprint; also the name of its folder in the store."""
    name: str
    fingerprint: str
    """SHA-256 of the science fields; device, threads, paths and logging are not in it."""
    job_id: str
    """Job that trained it; runs trained in one stack share it."""
    trunk: str | None
    """run_id of the run whose checkpoint this one branched from."""
    status: Status
    reason: str | None
    """One sentence if the status is not `completed`."""
    config: dict[str, Any]
    """The resolved science fields, which the fingerprint hashes."""
    runtime: dict[str, Any]
    params: dict[str, int]
    """Parameters by group: embedding, position, attention, mlp, norm, head; their sum is the real total."""
    n_params: dict[str, int]
    """N by convention: non_embedding, with_head, total; of a mixture of experts, the parameters that one token uses."""
    n_tokens: int
    """D: training tokens seen (tokens planned, if the run did not complete)."""
    n_unique_tokens: int
    """Number of distinct training tokens in the corpus."""
    epochs: float
    n_steps: int
    batch_tokens: int
    learning_rate: float
    """Peak learning rate, as resolved from its rule if it has one."""
    train_flops: dict[str, float]
    """C by convention, for the whole run: see `param_flop_counts.flops_per_token`."""
    spent_flops: float
    """6ND (with head) of the steps that this run itself took; less than `train_flops` if it branched from a trunk."""
    losses: dict[str, EvalLoss]
    """Final losses by evaluation set; `valid`, the held-out text that choices are made on; `test`, the
    one that fits and reports read, if there is one (`data.test_fraction`); and the extra sets."""
    train_loss_nats: float | None
    """Mean training loss over the last tenth of the steps."""
    noise: dict[str, Any] | None
    """Gradient noise scale over the last third of the steps: see `gradient_noise_scale.summary`; None if not
    measured."""
    wall_s: float
    tokens_per_s: float
    peak_memory_bytes: int
    data: dict[str, Any]
    """data_id, vocab_size and other identifiers of the tokens."""
    provenance: dict[str, Any]
    """Hash of the code, commit, dirty state, versions, machine, command, start and end times."""
    architecture_source: str | None
    """SHA-256 of the file of a user's own architecture (`config["model"]["target"]`); None for a built-in one, and in
    records of earlier versions."""
    warnings: list[str] = field(default_factory=list)
    best: BestCheckpoint | None = None
    """None unless `evaluation.best_checkpoint`, and in records of earlier versions."""
    schema_version: int = field(kw_only=True)

    @property
    def loss(self) -> EvalLoss | None:
        """Final loss that fits and reports read: of the test text, or of the validation text without one."""
        return self.losses.get("test", self.losses.get("valid"))

    @property
    def bits_per_byte(self) -> dict[str, float]:
        """Final losses in bits a byte of text, by which tokenizers compare; only sets whose bytes a token are known."""
        known: dict[str, float] | None = self.data.get("set_bytes_per_token")
        if known is None:  # records of earlier versions
            mean = float(self.data.get("bytes_per_token") or 0)
            known = dict.fromkeys(self.losses if mean == 1.0 else ("valid",), mean) if mean else {}
        both = self.losses.keys() & known.keys()
        return {name: self.losses[name].loss_nats / math.log(2) / known[name] for name in self.losses if name in both}


_FIELDS = frozenset(f.name for f in dataclasses.fields(RunRecord))
_MISSING_FIELDS: dict[int, dict[str, None]] = {
    1: {"noise": None, "architecture_source": None, "best": None},
    2: {"architecture_source": None, "best": None},
    3: {"best": None},
}
"""Fields that records of an earlier schema version do not have; nothing else differs."""


def write_record(directory: Path, record: RunRecord) -> None:
    """Write `record.json` atomically into a run directory."""
    write_json(directory / RECORD_FILE, dataclasses.asdict(record))


def read_record(path: Path) -> RunRecord:
    """Read a record.

    Parameters
    ----------
    path : Path
        Path of a `record.json`, or of its run directory.

    Returns
    -------
    RunRecord

    Raises
    ------
    HarnessError
        The file is missing, damaged, or of another schema version.
    """
    file = path if path.name == RECORD_FILE else path / RECORD_FILE
    try:
        with open(file, "rb", buffering=0) as unbuffered:  # a third of the time of `read_bytes`
            content = unbuffered.read()
    except FileNotFoundError as error:
        raise HarnessError(f"{file} does not exist: the run has not finished") from error
    # A store may hold ten thousand records: those without a fault are read and checked in one pass.
    with contextlib.suppress(ValueError):
        record: RunRecord = _schema(RunRecord).validate_json(content)
        if record.schema_version == SCHEMA_VERSION:
            return record
    try:
        document = parse_json(content)
    except ValueError as error:
        raise HarnessError(f"{file} is not JSON: delete it and run the sweep again") from error
    return record_from_document(file, document)


def record_from_document(file: Path, document: Any) -> RunRecord:
    """Make a record from its JSON form, of this schema version or an older one; see `read_record`."""
    from pydantic import ValidationError

    version = document.get("schema_version") if isinstance(document, dict) else None
    if isinstance(document, dict) and isinstance(version, int) and version in _MISSING_FIELDS:
        document, version = document | _MISSING_FIELDS[version] | {"schema_version": SCHEMA_VERSION}, SCHEMA_VERSION
    if version != SCHEMA_VERSION:
        raise HarnessError(
            f"{file} has schema version {version}, this code reads {SCHEMA_VERSION}: "
            "use the code version named in its provenance, or train again"
        )
    if odd := ", ".join(sorted(document.keys() ^ _FIELDS)):
        raise HarnessError(f"{file} lacks or adds the fields {odd}: delete it and run the sweep again")
    try:
        return _schema(RunRecord).validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise HarnessError(f"{file}: {key}: {first['msg']}: delete it and run the sweep again") from error


def best_checkpoint_of(document: dict[str, Any]) -> BestCheckpoint:
    """Make a best checkpoint from its JSON form."""
    return _schema(BestCheckpoint).validate_python(document)


@functools.cache
def _schema(kind: type) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
