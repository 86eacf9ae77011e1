// The toy's own regression, the one thing that is fitted in this page (Weng, "Scaling Laws, Carefully", 2026):
// a grid over alpha, beta and E, at each the least squares of A and B, and three refinements around the best.

const GRID = 21, REFINEMENTS = 3, WIDTH = 2; // a refinement reaches two steps of the grid before it to either side
const ENDS = {alpha: [0.2, 0.55], beta: [0.2, 0.55], E: [1.2, 2.2]}; // those of E are ours

// Losses as seen: with the ripple, with m thousandths of the tilt, rounded to some decimals, in one region of sizes.
function observed(toy, {noise, decimals, region}) {
  const [first, last] = toy.regions[region], scale = 10 ** decimals;
  return toy.runs.map(run => {
    const seen = run.loss + run.ripple + noise / 1000 * run.tilt;
    return {...run, seen: Math.round(seen * scale) / scale, fitted: run.size >= first && run.size <= last};
  });
}

function regress(runs) {
  let ends = ENDS, found;
  for (let i = 0; i <= REFINEMENTS; i++) {
    found = bestOnGrid(runs, ends);
    ends = Object.fromEntries(Object.entries(ends).map(([name, [low, high]]) => {
      const reach = WIDTH * (high - low) / (GRID - 1);
      return [name, [Math.max(ENDS[name][0], found[name] - reach), Math.min(ENDS[name][1], found[name] + reach)]];
    }));
  }
  return found;
}

function bestOnGrid(runs, ends) {
  let best = {squares: Infinity};
  for (const alpha of steps(...ends.alpha, GRID)) {
    const u = runs.map(run => run.n_params ** -alpha);
    for (const beta of steps(...ends.beta, GRID)) {
      const v = runs.map(run => run.n_tokens ** -beta), sums = sumsOf(u, v, runs.map(run => run.seen));
      for (const E of steps(...ends.E, GRID)) {
        const {A, B, squares} = solve(sums, E);
        if (A > 0 && B > 0 && squares < best.squares) best = {alpha, beta, E, A, B, squares};
      }
    }
  }
  return best;
}

function sumsOf(u, v, y) {
  const dot = (p, q) => p.reduce((sum, value, i) => sum + value * q[i], 0), one = u.map(() => 1);
  return {n: u.length, u: dot(u, one), v: dot(v, one), y: dot(y, one), uu: dot(u, u), uv: dot(u, v), vv: dot(v, v),
    uy: dot(u, y), vy: dot(v, y), yy: dot(y, y)};
}

// A and B of least squares of y - E, and the squares left, from the normal equations.
function solve(s, E) {
  const uw = s.uy - E * s.u, vw = s.vy - E * s.v, determinant = s.uu * s.vv - s.uv ** 2;
  const A = (uw * s.vv - vw * s.uv) / determinant, B = (vw * s.uu - uw * s.uv) / determinant;
  return {A, B, squares: s.yy - 2 * E * s.y + s.n * E ** 2 - A * uw - B * vw};
}

// Tokens at the extrapolation: those for which the truth finds N the best size, or twenty a parameter. The caption of
// the original says twenty, its code takes the first.
function logTokensOf(truth, logN, tokens) {
  if (tokens === "twenty") return logN + Math.log(20);
  return (truth.alpha * logN + Math.log(truth.beta * truth.B) - Math.log(truth.alpha * truth.A)) / truth.beta;
}
