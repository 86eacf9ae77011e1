"""Public tables of scaling runs, by name: where they are, under what licence, and how to read them.

The package carries none of them. A local directory, named by the environment variable SCALING_HARNESS_DATA,
is looked in first; nothing is downloaded unless `get` is called.
"""

import hashlib
import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record.atomic_files import write_atomically

ENVIRONMENT = "SCALING_HARNESS_DATA"
FOLDER = "published"
TIMEOUT_S = 60


@dataclass(frozen=True)
class Dataset:
    """One public table.

    Attributes
    ----------
    name, file : str
        Name here, and of the file.
    address : str
        Address of the original, at a fixed commit.
    extract : bool
        Whether the file is a table made from the original, which alone can then be downloaded.
    sha256 : str
        Checksum of the file.
    licence, citation : str
    n_rows : int
    columns : str
        For `fit --columns`; empty if the table is not one of (N, D, loss).
    note : str
    """

    name: str
    file: str
    address: str
    extract: bool
    sha256: str
    licence: str
    citation: str
    n_rows: int
    columns: str = ""
    note: str = ""


_EPOCH = "https://raw.githubusercontent.com/epoch-research/analyzing-chinchilla/9225883"
_NANOGPT = "https://github.com/karpathy/nanoGPT/tree/3adf61e"
_HOFFMANN = "Hoffmann et al. 2022, Training Compute-Optimal Large Language Models, arXiv 2203.15556"

_ENTRIES = (
    Dataset(
        name="besiroglu2024",
        file="hoffmann_fig4_besiroglu.csv",
        address=f"{_EPOCH}/data/svg_extracted_data.csv",
        extract=False,
        sha256="193478df4e90f040016431996c45682659306840ecdadf83cfb9cd5ca0aa1b30",
        licence="none stated",
        citation="Besiroglu et al. 2024, Chinchilla Scaling: A replication attempt, arXiv 2404.10102",
        n_rows=245,
        columns="N=Model Size,C=Training FLOP,loss=loss",
        note="points of Hoffmann et al., figure 4; the authors drop the 5 largest losses (--drop-worst 5)",
    ),
    Dataset(
        name="hoffmann2022_shapes",
        file="hoffmann_table_a9.csv",
        address=_NANOGPT,
        extract=True,
        sha256="7ed3b0eb61f2e972fda8dbbdf71d45edd807100d7cec37f910c51e125202c76e",
        licence="MIT",
        citation=_HOFFMANN,
        n_rows=50,
        note="table A9: model shapes and parameters",
    ),
    Dataset(
        name="hoffmann2022_projections",
        file="hoffmann_table_a3.csv",
        address=_NANOGPT,
        extract=True,
        sha256="f04193548a61318b916624863c2036cbadab6942f49797248cc38a4e3840d902",
        licence="MIT",
        citation=_HOFFMANN,
        n_rows=18,
        note="table A3: compute-optimal tokens by size",
    ),
    Dataset(
        name="porian2024",
        file="porian_isoflop_points.csv",
        address="https://github.com/formll/resolving-scaling-law-discrepancies/tree/0dc60d9",
        extract=True,
        sha256="8e3c5b700263bd655973537eecdf156f30fa9af8e32fe0ce575f17ab9202bef6",
        licence="MIT",
        citation="Porian et al. 2024, Resolving Discrepancies in Compute-Optimal Scaling, arXiv 2406.19146",
        n_rows=1745,
        columns="N=N,D=D,C=flops,loss=loss",
        note="several experiments in one table: choose by dataset and step; the original is a pickle",
    ),
    Dataset(
        name="gemstones2025",
        file="gemstones_hot.jsonl",
        address="https://github.com/mcleish7/gemstone-scaling-laws/tree/5f42047",
        extract=True,
        sha256="655467b59c99383403d6f73f5b7f23c02aea3f12935dc110382d8a8b43a0ff5d",
        licence="MIT",
        citation="McLeish et al. 2025, Gemstones: A Model Suite for Multi-Faceted Scaling Laws, arXiv 2502.06857",
        n_rows=220,
        columns="N=params_active_precise,D=tokens,loss=final_loss",
        note="several checkpoints of each run: resample by run_name",
    ),
    Dataset(
        name="muennighoff2023",
        file="muennighoff_runs.csv",
        address="https://github.com/huggingface/datablations/tree/1370131",
        extract=True,
        sha256="e105a1cdb5015e4688d89e3110e666a340f1f86bf4a2db8b02c026b19b54b088",
        licence="Apache-2.0",
        citation="Muennighoff et al. 2023, Scaling Data-Constrained Language Models, arXiv 2305.16264",
        n_rows=296,
        columns="N=params,D=tokens,U=unique_tokens,loss=loss",
        note="repeated data: only the law muennighoff describes it",
    ),
    Dataset(
        name="zhang2024",
        file="zhang_steps_to_target.csv",
        address="https://github.com/hlzhang109/critical-batch-size/tree/c5b509d",
        extract=True,
        sha256="d1402d7cc7dcd31d93edcebd2a962bb831f0b41c7c55f3d023a73b2a844dcf31",
        licence="MIT",
        citation="Zhang et al. 2024, How Does Critical Batch Size Scale in Pre-training?, arXiv 2410.21676",
        n_rows=45,
        note="steps to a target loss by batch size in sequences",
    ),
)

DATASETS: dict[str, Dataset] = {entry.name: entry for entry in _ENTRIES}


def dataset_named(name: str) -> Dataset:
    """The data set of that name.

    Raises
    ------
    UserError
        There is none.
    """
    if name not in DATASETS:
        raise UserError(f"no public data set is called {name!r}; there are {', '.join(DATASETS)}")
    return DATASETS[name]


def find_local(dataset: Dataset) -> Path | None:
    """The file in the local directory, if that is named and holds it.

    Raises
    ------
    HarnessError
        The file differs from the one the checksum is of.
    """
    root = os.environ.get(ENVIRONMENT)
    path = Path(root) / FOLDER / dataset.file if root else None
    if path is None or not path.is_file():
        return None
    _check(path.read_bytes(), dataset, str(path))
    return path


def get(name: str, folder: Path) -> tuple[Path, str]:
    """Path of a public data set and how it came there; downloads it if no copy is near.

    Parameters
    ----------
    name : str
        From `DATASETS`.
    folder : Path
        Where a download goes, and where an earlier one is found.

    Returns
    -------
    Path, str

    Raises
    ------
    UserError
        No such data set.
    HarnessError
        No network, another checksum, or a table that cannot be downloaded as it is.
    """
    dataset = dataset_named(name)
    local = find_local(dataset)
    if local:
        return local, f"found in ${ENVIRONMENT}"
    path = folder / dataset.file
    if path.is_file():
        _check(path.read_bytes(), dataset, str(path))
        return path, "downloaded before"
    if dataset.extract:
        raise HarnessError(
            f"{name} is a table extracted from {dataset.address}, which is not downloaded as it is: put {dataset.file} "
            f"into ${ENVIRONMENT}/{FOLDER} or {folder}"
        )
    content = _download(dataset)
    _check(content, dataset, dataset.address)
    write_atomically(path, lambda stream: stream.write(content))
    return path, f"downloaded from {dataset.address}"


def _download(dataset: Dataset) -> bytes:
    try:
        with urllib.request.urlopen(dataset.address, timeout=TIMEOUT_S) as response:
            return response.read()
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise HarnessError(
            f"cannot download {dataset.address} ({reason}): put {dataset.file} into ${ENVIRONMENT}/{FOLDER}"
        ) from error


def _check(content: bytes, dataset: Dataset, where: str) -> None:
    digest = hashlib.sha256(content).hexdigest()
    if digest != dataset.sha256:
        raise HarnessError(
            f"{where} is not {dataset.name} as it was checked: its SHA-256 is {digest[:12]}..., "
            f"not {dataset.sha256[:12]}...; delete it or get it again"
        )
