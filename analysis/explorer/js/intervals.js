// Intervals of 95 % from the resampled parameters of a saved fit.

const TAIL = 0.025;

// A parameter vector for each resample, of lists of each parameter.
function rowsOf(draws) {
  if (!draws) return [];
  const names = Object.keys(draws);
  return draws.A.map((_, i) => Object.fromEntries(names.map(name => [name, draws[name][i]])));
}

function interval(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  return sorted.length < 2 ? null : [quantile(sorted, TAIL), quantile(sorted, 1 - TAIL)];
}

// The interval of a loss beyond the trained compute: ln L of each resample has a further normal error, for the law's form.
function widened(values, sd) {
  if (!(sd > 0)) return interval(values);
  const logs = values.filter(value => value > 0 && Number.isFinite(value)).map(Math.log);
  if (logs.length < 2) return null;
  const below = x => d3.mean(logs, each => normalBelow((x - each) / sd));
  const [low, high] = [d3.min(logs) - 10 * sd, d3.max(logs) + 10 * sd];
  return [TAIL, 1 - TAIL].map(share => Math.exp(bisect(x => below(x) < share, low, high)));
}

// Normal distribution function, to 1.2e-7 of the tail (Numerical Recipes, erfcc).
function normalBelow(z) {
  const t = 1 / (1 + Math.abs(z) / Math.SQRT2 / 2);
  const series = [-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587,
    -0.82215223, 0.17087277].reduceRight((sum, c) => c + t * sum);
  const tail = t * Math.exp(-z * z / 2 + series) / 2;
  return z > 0 ? 1 - tail : tail;
}
