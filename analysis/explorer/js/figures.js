// Figures, drawn by Observable Plot. Each law keeps its colour and its symbol in every figure and card.

const SYMBOLS = ["circle", "square", "triangle", "diamond", "star", "cross", "wye", "plus", "times", "asterisk"];
const colourOf = i => `var(--law-${i % 8})`;
const symbolOf = i => SYMBOLS[i % SYMBOLS.length];

const frame = box => ({width: Math.max(260, box.clientWidth), height: 360, marginLeft: 56, marginBottom: 40, grid: true,
  style: {background: "transparent", fontSize: "12px", overflow: "visible"}});
const tick = value => value < 1e4 ? number(value, 3) : value.toExponential().replace("+", "");
const decadesOf = box => box.clientWidth < 500 ? 4 : 8; // labelled ticks of a logarithmic axis
const logAxis = (label, more = {}) => ({type: "log", label, ticks: 6, tickFormat: tick, ...more});

// Loss against N at the budget, with each law's best size; with inference, the size that is cheapest over its life.
// Losses per byte and per token have no axis in common: of several units it is that of the first law.
function lossFigure(box, shown, settings) {
  const unit = lossUnit(shown), drawn = shown.filter(({law}) => law.params && law.unit === unit);
  if (!drawn.length) return element("p", "None of the laws chosen predicts a loss.");
  return Plot.plot({...frame(box), ariaLabel: "Loss against parameters at the budget",
    x: logAxis("parameters N →", {ticks: decadesOf(box)}), y: logAxis(`↑ loss (nats per ${unit})`),
    marks: drawn.flatMap(each => lossMarks(each, settings))});
}

const lossUnit = shown => shown.find(({law}) => law.params)?.law.unit;

function lossMarks({law, i, said}, settings) {
  const problem = problemOf(law, settings), logC = Math.log(settings.flops), {x} = best(law.params, problem, logC);
  const curve = steps(x - 3.5, x + 3.5, 71).map(x => ({n: Math.exp(problem.shown.logN(x)), ...lossAcross(law, problem, x, logC)}));
  const line = {x: "n", y: "loss", stroke: colourOf(i), strokeWidth: 2};
  const dot = {r: 6, symbol: symbolOf(i), stroke: colourOf(i), strokeWidth: 2};
  const life = said.life ? [{n: said.life.n.value, loss: said.loss.value}] : [];
  return [
    Plot.areaY(curve.filter(row => row.low), {x: "n", y1: "low", y2: "high", fill: colourOf(i), fillOpacity: 0.15}),
    Plot.line(curve, line),
    Plot.dot([{n: said.n.value, loss: said.loss.value}], {x: "n", y: "loss", ...dot, fill: colourOf(i)}),
    Plot.dot(life, {x: "n", y: "loss", ...dot, fill: "var(--paper)"}),
  ];
}

// The loss of a size at the budget, and the interval of the resamples.
function lossAcross(law, problem, x, logC) {
  const logD = problem.cost.logTokens(x, logC), logN = problem.own.logN(x);
  const ci = interval(fewDraws(law).map(p => loss(p, logN, logD)));
  return {loss: loss(law.params, logN, logD), low: ci?.[0], high: ci?.[1]};
}

// A band needs no more resamples than these.
const fewDraws = law => law.resamples.slice(0, 100);

// Best N against the budget: whole within the trained compute, which is shaded, and dashed outside.
function frontierFigure(box, shown, settings, budgets) {
  return Plot.plot({...frame(box), ariaLabel: "Best number of parameters against the budget",
    x: logAxis("budget C (FLOP) →", {domain: budgets, ticks: decadesOf(box)}),
    y: logAxis("↑ best parameters N"),
    marks: [
      ...shown.flatMap(each => frontierMarks(each, settings, budgets)),
      Plot.ruleX([settings.flops], {stroke: "currentColor", strokeDasharray: "2 3"}),
      ...shown.map(({i, said}) => Plot.dot([said], {x: settings.flops, y: said => said.n.value, r: 6, symbol: symbolOf(i),
        stroke: colourOf(i), fill: colourOf(i)})),
    ]});
}

function frontierMarks({law, i}, settings, budgets) {
  const stroke = colourOf(i), trained = law.ranges.C ?? [];
  const grid = d3.sort([...steps(...budgets.map(Math.log), 40).map(Math.exp), ...trained]);
  const rows = remembered(law, settings, () => grid.map(flops => frontierAt(law, {...settings, flops})));
  return [
    Plot.rectX(trained.length ? [trained] : [], {x1: "0", x2: "1", fill: stroke, fillOpacity: 0.08}),
    Plot.areaY(rows.filter(row => row.low), {x: "flops", y1: "low", y2: "high", fill: stroke, fillOpacity: 0.15}),
    Plot.line(rows, {x: "flops", y: "n", stroke, strokeWidth: 1.5, strokeDasharray: "5 4"}),
    Plot.line(rows.filter(({flops}) => flops >= trained[0] && flops <= trained[1]), {x: "flops", y: "n", stroke, strokeWidth: 3}),
  ];
}

function frontierAt(law, settings) {
  if (!law.params) return {flops: settings.flops, n: forecastOfLine(law.line, law, settings).n.value};
  const problem = problemOf(law, settings), logC = Math.log(settings.flops);
  const size = p => Math.exp(problem.shown.logN(best(p, problem, logC).x));
  const ci = interval(fewDraws(law).map(size));
  return {flops: settings.flops, n: size(law.params), low: ci?.[0], high: ci?.[1]};
}

// A frontier does not move with the budget, so that dragging that slider computes it once.
const frontiers = new Map();
function remembered(law, {count, compute, aspect}, compose) {
  const key = JSON.stringify([law.name, count, compute, aspect]);
  if (!frontiers.has(key)) frontiers.set(key, compose());
  return frontiers.get(key);
}

// The toy: losses as seen, the truth, and what the regression makes of them far outside.
function toyFigure(box, toy, runs, found, {target, tokens}) {
  const along = p => steps(Math.log(1e8), Math.log(1e15), 60).map(logN =>
    ({n: Math.exp(logN), loss: loss({k: 1, ...p}, logN, logTokensOf(toy.truth, logN, tokens))}));
  const at = p => [{n: target, loss: loss({k: 1, ...p}, Math.log(target), logTokensOf(toy.truth, Math.log(target), tokens))}];
  const point = {x: "n_params", y: "seen", symbol: "circle", r: 4, stroke: "var(--law-0)"};
  return Plot.plot({...frame(box), ariaLabel: "Toy losses, the truth, and the law fitted to them",
    x: logAxis("parameters N →", {domain: [7e7, 1.5e15], ticks: decadesOf(box)}), y: {label: "↑ loss (nats per token)", nice: true},
    marks: [
      Plot.line(along(toy.truth), {x: "n", y: "loss", stroke: "currentColor", strokeWidth: 1.5}),
      Plot.line(along(found), {x: "n", y: "loss", stroke: "var(--law-1)", strokeWidth: 2, strokeDasharray: "6 4"}),
      Plot.dot(runs, {...point, fill: row => row.fitted ? "var(--law-0)" : "var(--paper)"}),
      Plot.ruleX([target], {stroke: "currentColor", strokeDasharray: "2 3"}),
      Plot.dot(at(toy.truth), {x: "n", y: "loss", r: 5, fill: "currentColor"}),
      Plot.dot(at(found), {x: "n", y: "loss", r: 6, symbol: "square", fill: "var(--law-1)"}),
    ]});
}
