"""Print the rows of `measure_on_device` as they come."""

from typing import TextIO

from sweeps.bench.card_peaks import peak_flops_per_s
from sweeps.bench.device_speed import DeviceSpeed, card_name

_WIDTHS = {
    "N": 11,
    "V": 6,
    "layers": 6,
    "d": 5,
    "batch": 9,
    "side": 14,
    "runs": 4,
    "at once": 7,
    "tokens/s": 11,
    "6ND TF/s": 8,
    "matmul TF/s": 11,
    "MFU": 6,
    "GB": 5,
}
"""Width of each column: the widest cell is not known before the last row."""


def print_device_header(file: TextIO) -> None:
    """Print the names of the columns; `at once` is the contexts of a batch that are in memory together."""
    _print_line([f"{name:{width}}" for name, width in _WIDTHS.items()], file)


def print_device_row(row: DeviceSpeed, file: TextIO) -> None:
    """Print one row; one that has no rates says why."""
    cells = [f"{cell:{width}}" for cell, width in zip(_cells(row), _WIDTHS.values(), strict=False)]
    _print_line(cells, file)


def print_device_note(device: str, dtype: str, file: TextIO) -> None:
    """Print what the MFU is a share of."""
    peak = peak_flops_per_s(card_name(device), dtype)
    said = (
        f"its peak in {dtype}, {peak / 1e12:.0f} TF/s" if peak else "an unknown peak: not in sweeps/bench/card_peaks.py"
    )
    print(f"{card_name(device)}: MFU is matmul FLOPs a second over {said}", file=file, flush=True)


def _print_line(cells: list[str], file: TextIO) -> None:
    print("  ".join(cells).rstrip(), file=file, flush=True)


def _cells(row: DeviceSpeed) -> list[str]:
    shape = [f"{row.n_params:,}", str(row.vocab_size), str(row.n_layer), str(row.d_model), f"{row.batch_tokens:,}"]
    which = [*shape, row.side, str(row.runs), str(row.micro_batch or "all")]
    if row.tokens_per_s is None:
        return [*which, row.error or "does not fit"]
    tera = [rate and rate / 1e12 for rate in (row.flops_6nd_per_s, row.flops_matmul_per_s)]
    rates = [_shown(row.tokens_per_s, ",.0f"), *(_shown(rate, ".3g") for rate in tera)]
    return [*which, *rates, _shown(row.utilisation, ".1%"), _shown(row.memory_bytes and row.memory_bytes / 1e9, ".2g")]


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
