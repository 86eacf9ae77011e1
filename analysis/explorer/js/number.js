// Numbers as text, and means of numbers.

// As Python's f"{value:.4g}", but 6.52e9 for 6.52e+09, and in full up to 99999.
function number(value, digits = 4) {
  if (!Number.isFinite(value)) return "–";
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  if (exponent < -4 || exponent > 4) return `${+mantissa}e${+exponent}`;
  return String(+value.toPrecision(digits));
}

const percent = share => `${number(100 * share, 3)} %`;

// Linear interpolation between order statistics, as numpy.percentile.
function quantile(sorted, share) {
  const at = share * (sorted.length - 1), below = Math.floor(at);
  return sorted[below] + (at - below) * ((sorted[below + 1] ?? sorted[below]) - sorted[below]);
}

// Where `isLow` ends to hold, by halving; so many halvings leave 1e-13 of any logarithm here.
function bisect(isLow, low, high, halvings = 52) {
  for (let i = 0; i < halvings; i++) {
    const middle = (low + high) / 2;
    if (isLow(middle)) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

const steps = (from, to, n) => Array.from({length: n}, (_, i) => from + (to - from) * i / (n - 1));
