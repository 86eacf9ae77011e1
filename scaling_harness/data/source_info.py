"""What planning needs to know of generated tokens: `SourceInfo`, beside the `DataInfo` of texts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaling_harness.data.token_cache import DataInfo
from scaling_harness.errors import UserError


@dataclass(frozen=True)
class SourceInfo:
    """Generated data, or data with noise or repeats; see `DataInfo`."""

    data_id: str
    """SHA-256 over the settings that decide the tokens."""
    label: str
    vocab_size: int
    n_train_tokens: int | None
    """Number of distinct training tokens; None if they never repeat."""
    base: "DataInfo | SourceInfo | None" = None
    """What noise is mixed into, or a part of which is repeated."""

    @property
    def evaluation_sets(self) -> tuple[str, ...]:
        """See `TokenSource.evaluation_sets`."""
        return self.base.evaluation_sets if self.base else ("valid", "test")

    @property
    def train_tokens(self) -> int | None:
        """Size of the subset of a text that is trained on; None for all of it."""
        return self.base.train_tokens if self.base else None

    @property
    def files(self) -> tuple[Path, ...]:
        """Token files that must be on the machine that trains."""
        return self.base.files if self.base else ()

    def n_unique_tokens(self, n_ctx: int) -> int | None:
        """Training tokens that an epoch visits; None without a limit."""
        if self.base:
            return self.base.n_unique_tokens(n_ctx)
        if self.n_train_tokens is not None and self.n_train_tokens < n_ctx:
            raise UserError(
                f"data.n_unique_tokens {self.n_train_tokens} is less than one context of {n_ctx}: raise it or lower "
                "model.n_ctx"
            )
        return self.n_train_tokens and self.n_train_tokens // n_ctx * n_ctx

    def for_record(self) -> dict[str, Any]:
        """Identifiers of the tokens, for `RunRecord.data`."""
        return {"data_id": self.data_id, "label": self.label, "vocab_size": self.vocab_size}


PreparedData = DataInfo | SourceInfo
"""What `prepare.prepare` gives."""
