// The page: settings from the controls, forecasts from the laws, figures and cards from both.

const {laws, toy, tau} = JSON.parse(byId("data").textContent);
for (const law of laws) law.resamples = rowsOf(law.draws);
const COUNTS = {non_embedding: "non-embedding", with_head: "with head", total: "total"};
const counted = count => COUNTS[count] ?? "count not known";

const budgets = budgetsOf(laws);
Object.assign(byId("budget"), {min: Math.log10(budgets[0]), max: Math.log10(budgets[1])});
byId("budget").value = Math.log10(firstBudget(laws));
const flops = decades("budget", "FLOP"), served = decades("served", "tokens", {none: 0});
const count = chosen("count"), compute = chosen("compute"), aspect = plain("aspect", "");
const shownLaws = lawBoxes(byId("laws"), laws);
const noise = plain("noise", "thousandths"), decimals = plain("decimals", "decimals"), region = chosen("region");
const target = decades("target", "parameters"), tokens = chosen("tokens");

// From below the least trained compute of all laws to a hundred times beyond the largest of today.
function budgetsOf(laws) {
  const least = d3.min(laws.flatMap(law => law.ranges.C?.[0] ?? []));
  return [10 ** Math.floor(Math.log10(least)), 1e27];
}

// Ten times the largest compute of the first law that says what it was trained on.
function firstBudget(laws) {
  const law = laws.find(law => law.shown && law.ranges.C);
  return law ? 10 * law.ranges.C[1] : 1e23;
}

function update() {
  const settings = {flops: flops.value, served: served.value, count: count.value, compute: compute.value, aspect: aspect.value};
  const picked = shownLaws().map(i => ({law: laws[i], i}));
  const shown = picked.filter(({law}) => !whyNot(law, settings))
    .map(each => ({...each, said: forecast(each.law, settings, tau)}));
  byId("left-out").replaceChildren(...sentences(picked, settings).map(text => element("p", text)));
  byId("legend").replaceChildren(...shown.map(legendOf));
  byId("cards").replaceChildren(...shown.map(each => card(each, settings)));
  draw("loss-figure", box => lossFigure(box, shown, settings));
  draw("frontier-figure", box => frontierFigure(box, shown, settings, budgets));
}

function sentences(picked, settings) {
  const refused = picked.flatMap(({law}) => whyNot(law, settings) ? [`${law.name} is not shown: ${whyNot(law, settings)}.`] : []);
  const units = new Set(picked.map(({law}) => law.unit));
  if (units.size > 1) refused.push("Tokens of some laws are bytes, of others words or parts of them: neither their losses nor " +
    "their numbers of tokens can be compared, and the figure of the loss has one kind of law, that of the first.");
  return refused;
}

function legendOf({law, i}) {
  const item = element("li", swatch(i));
  item.append(law.name);
  return item;
}

function draw(id, figure) {
  const box = byId(id);
  box.replaceChildren(figure(box));
}

function element(tag, text, className = "") {
  const made = Object.assign(document.createElement(tag), {className});
  made.append(text);
  return made;
}

// What one law says, each number with its unit.
function card({law, i, said}, settings) {
  const made = element("section", "", "card"), title = element("h3", swatch(i));
  title.append(law.name);
  made.dataset.law = law.name;
  const of = settings.count === "own" ? law.count : settings.count, unit = `${law.unit}s`;
  made.append(title, element("p", `${law.formula}${costWords(law, settings)}`, "formula"), facts([
    ["n", "Best size N*", said.n, `parameters (${counted(of)})`],
    ["d", "Best tokens D*", said.d, unit],
    ["ratio", "D*/N*", said.ratio, `${unit} per parameter`],
    ["loss", "Loss", said.loss, `nats per ${law.unit}`],
    ...[["half", "Half that size"], ["double", "Twice that size"]].map(([key, name]) => [key, name, said[key], law.unit]),
    ...(said.life ? lifeFacts(said.life, unit) : []),
    ["trained", "Trained compute", distance(law, said.beyond)],
  ]));
  return made;
}

function costWords(law, {compute, count}) {
  if (!law.params) return "";
  if (compute === "own") return `; C = ${law.cost.formula}, N ${counted(law.count)}`;
  return `; C = 6 N D, N ${counted(count === "own" ? law.count : count)}`;
}

function lifeFacts(life, unit) {
  return [
    ["life-n", "Cheapest with inference: N", life.n, "parameters"],
    ["life-d", "trained on", life.d, unit],
    ["life-train", "training", {value: life.train}, "FLOP"],
    ["life-inference", "inference", {value: life.inference}, "FLOP"],
    ["life-saved", "saved of both", percent(life.saved)],
  ];
}

function facts(rows) {
  const list = document.createElement("dl");
  for (const [key, name, said, unit] of rows) {
    const value = element("dd", words(said, unit));
    value.dataset.quantity = key;
    value.classList.toggle("outside", key === "trained" && !value.textContent.startsWith("within"));
    list.append(element("dt", name), value);
  }
  return list;
}

// An estimate with its unit and interval, a cost of another size, or a sentence.
function words(said, unit) {
  if (said === undefined) return "not predicted: only N_opt is printed";
  if (typeof said === "string") return said;
  if ("extra" in said) return `+${number(said.extra, 3)} nats per ${unit}, ${percent(said.wasted)} of C wasted`;
  const ci = said.ci ? ` [${said.ci.map(end => number(end)).join(", ")}]` : "";
  return `${number(said.value)} ${unit}${ci}`;
}

function distance(law, beyond) {
  if (!beyond) return "what its runs span is not known";
  const span = law.ranges[beyond.name].map(end => number(end, 3)).join(" to ");
  const what = {C: `trained compute, ${span} FLOP`, N: `trained sizes, ${span} parameters`, D: `trained tokens, ${span}`}[beyond.name];
  return beyond.side === "within" ? `within the ${what}` : `${beyond.side} the ${what}, by a factor ${number(beyond.factor, 3)}`;
}

function updateToy() {
  const runs = observed(toy, {noise: noise.value, decimals: decimals.value, region: region.value});
  const found = regress(runs.filter(run => run.fitted));
  const logN = Math.log(target.value), logD = logTokensOf(toy.truth, logN, tokens.value);
  byId("toy-table").replaceChildren(...toyRows(found, logN, logD));
  draw("toy-figure", box => toyFigure(box, toy, runs, found, {target: target.value, tokens: tokens.value}));
}

function toyRows(found, logN, logD) {
  const [of, truth] = [found, toy.truth].map(p =>
    ({...p, a: p.beta / (p.alpha + p.beta), b: p.alpha / (p.alpha + p.beta), loss: loss({k: 1, ...p}, logN, logD)}));
  const names = {alpha: "α", beta: "β", E: "E (nats per token)", a: "a, of N* ∝ C^a", b: "b, of D* ∝ C^b", loss: "loss there (nats per token)"};
  return Object.entries(names).map(([key, name]) => {
    const row = document.createElement("tr"), off = of[key] - truth[key];
    row.dataset.quantity = key;
    const edge = key in ENDS && ENDS[key].includes(of[key]) ? " (end of the grid)" : "";
    const cells = [number(of[key]) + edge, number(truth[key]), `${off < 0 ? "−" : "+"}${number(Math.abs(off), 3)}`];
    row.append(Object.assign(element("th", name), {scope: "row"}), ...cells.map(text => element("td", text)));
    return row;
  });
}

byId("forecasts").addEventListener("input", update);
byId("toy").addEventListener("input", updateToy);

let width;
new ResizeObserver(([{contentRect}]) => { // figures are as wide as their boxes
  if (contentRect.width === width) return;
  width = contentRect.width;
  update();
  updateToy();
}).observe(document.querySelector("main"));
