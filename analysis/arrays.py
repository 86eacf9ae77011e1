"""Types of numpy arrays that signatures name."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rows = NDArray[Any]  # integer or boolean: which rows
