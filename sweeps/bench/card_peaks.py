"""Peak rates of common cards, from their data sheets, for the share that a training reaches."""

_TERA = 1e12
PEAKS = {
    "A10": (125.0, 31.2),
    "A30": (165.0, 10.3),
    "A40": (149.7, 37.4),
    "A100": (312.0, 19.5),
    "B200": (2250.0, 75.0),
    "GeForce RTX 3090": (71.0, 35.6),
    "GeForce RTX 4090": (165.2, 82.6),
    "GeForce RTX 5090": (209.5, 104.8),
    "H100": (989.4, 66.9),
    "H100 NVL": (835.5, 60.0),
    "H100 PCIe": (756.0, 51.2),
    "H200": (989.4, 66.9),
    "H200 NVL": (835.5, 60.0),
    "L4": (121.0, 30.3),
    "L40": (181.0, 90.5),
    "L40S": (362.0, 91.6),
    "RTX A6000": (154.8, 38.7),
    "RTX 6000 Ada": (364.2, 91.1),
}
"""TFLOP/s of matrix products by a part of the card's name: bfloat16 with float32 sums, dense; float32 without TF32."""


def peak_flops_per_s(card: str, dtype: str) -> float | None:
    """Peak rate of a card's matrix products; None for a card that is not in `PEAKS`.

    Examples
    --------
    >>> peak_flops_per_s("NVIDIA H100 80GB HBM3", "bfloat16"), peak_flops_per_s("NVIDIA H100 PCIe", "float32")
    (989400000000000.0, 51200000000000.0)
    >>> peak_flops_per_s("NVIDIA A100-SXM4-80GB", "bfloat16"), peak_flops_per_s("NVIDIA A1000", "bfloat16")
    (312000000000000.0, None)
    >>> peak_flops_per_s("NVIDIA H200", "bfloat16"), peak_flops_per_s("NVIDIA H200 NVL", "bfloat16")
    (989400000000000.0, 835500000000000.0)
    """
    words = card.replace("-", " ").split()
    named = [name for name in PEAKS if _is_in(name.split(), words)]
    if not named:
        return None
    return PEAKS[max(named, key=len)][dtype != "bfloat16"] * _TERA


def _is_in(part: list[str], words: list[str]) -> bool:
    return any(words[i : i + len(part)] == part for i in range(len(words)))
