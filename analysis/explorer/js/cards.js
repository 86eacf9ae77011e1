// What the page says in words: a card of each law, and the table of the toy.

const COUNTS = {non_embedding: "non-embedding", with_head: "with head", total: "total"};
const counted = count => COUNTS[count] ?? "count not known";

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

// What the regression found, beside the truth, with the loss of both at one N and D.
function toyRows(fitted, known, logN, logD) {
  const [of, truth] = [fitted, known].map(p =>
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
