// The page: settings from the controls, forecasts from the laws, figures and cards from both.

const {laws, toy, tau} = JSON.parse(byId("data").textContent);
for (const law of laws) law.resamples = rowsOf(law.draws);

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

function updateToy() {
  const runs = observed(toy, {noise: noise.value, decimals: decimals.value, region: region.value});
  const found = regress(runs.filter(run => run.fitted));
  const logN = Math.log(target.value), logD = logTokensOf(toy.truth, logN, tokens.value);
  byId("toy-table").replaceChildren(...toyRows(found, toy.truth, logN, logD));
  draw("toy-figure", box => toyFigure(box, toy, runs, found, {target: target.value, tokens: tokens.value}));
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
