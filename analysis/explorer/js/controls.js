// Controls of the page, by the ids of the template.

const byId = id => document.getElementById(id);

// A slider over decades beside a box for the exact number; `none` is a number left of the slider's end, such as zero.
function decades(id, unit, {none} = {}) {
  const slider = byId(id), box = byId(`${id}-exact`), lowest = +slider.min;
  const isIn = value => value === none || (Math.log10(value) >= lowest && Math.log10(value) <= +slider.max);
  const fromSlider = () => none !== undefined && +slider.value === lowest ? none : +(10 ** +slider.value).toPrecision(3);
  const control = {value: fromSlider()};
  const tell = text => slider.setAttribute("aria-valuetext", `${text} ${unit}`);
  const set = (value, {write}) => {
    control.value = value;
    if (write) box.value = number(value, 6);
    tell(number(value));
    box.removeAttribute("aria-invalid");
  };
  slider.addEventListener("input", () => set(fromSlider(), {write: true}));
  box.addEventListener("input", () => {
    const value = Number(box.value);
    if (box.value.trim() === "" || !isIn(value)) return box.setAttribute("aria-invalid", "true");
    slider.value = value === none ? lowest : Math.log10(value);
    set(value, {write: false});
  });
  box.title = `${none === undefined ? "" : `${none}, or `}from ${number(10 ** lowest)} to ${number(10 ** slider.max)}`;
  set(control.value, {write: true});
  return control;
}

// A plain slider, with its value in words beside it.
function plain(id, unit) {
  const slider = byId(id), output = byId(`${id}-value`);
  const tell = () => {
    output.textContent = `${slider.value} ${unit}`;
    slider.setAttribute("aria-valuetext", output.textContent);
  };
  slider.addEventListener("input", tell);
  tell();
  return {get value() { return +slider.value; }};
}

const chosen = id => ({get value() { return byId(id).value; }});

// One check box a law, in the order of the data.
function lawBoxes(list, laws) {
  list.replaceChildren(...laws.map((law, i) => {
    const label = document.createElement("label"), box = document.createElement("input");
    Object.assign(box, {type: "checkbox", checked: law.shown, value: law.name});
    label.append(box, swatch(i), law.name);
    label.title = law.source;
    return label;
  }));
  return () => [...list.querySelectorAll("input")].flatMap((box, i) => box.checked ? [i] : []);
}

// The symbol of a law in its colour.
function swatch(i) {
  const svg = d3.create("svg").attr("class", "swatch").attr("viewBox", "-8 -8 16 16").attr("aria-hidden", "true");
  const symbol = d3[`symbol${symbolOf(i)[0].toUpperCase()}${symbolOf(i).slice(1)}`];
  svg.append("path").attr("d", d3.symbol(symbol, 70)()).attr("style", `fill: ${colourOf(i)}; stroke: ${colourOf(i)}`);
  return svg.node();
}
