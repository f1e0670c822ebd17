// Charts by hand: axes, lines and marks in an SVG as wide as its place, so that text keeps its size.

const SVG = "http://www.w3.org/2000/svg";
const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

const linear = (from, to) => value => (value - from) / (to - from);
const logarithmic = (from, to) => value => Math.log(value / from) / Math.log(to / from);

// An empty chart: x and y are { at: value → 0..1, ticks: [[value, text], ...] }; margins in rem.
function chart(svg, { x, y, left = 2.4, right = 0.6, top = 0.6, bottom = 1.6 }) {
  const unit = rem(), width = svg.clientWidth || 300, height = svg.clientHeight || 200;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren(...svg.querySelectorAll(":scope > title"));
  const inner = { left: left * unit, right: width - right * unit, top: top * unit, bottom: height - bottom * unit };
  const across = value => inner.left + x.at(value) * (inner.right - inner.left);
  const up = value => inner.bottom - y.at(value) * (inner.bottom - inner.top);
  for (const [value, text] of y.ticks) {
    svg.append(element("line", { class: "grid", x1: inner.left, x2: inner.right, y1: up(value), y2: up(value) }));
    svg.append(element("text", { class: "tick", x: inner.left - 0.4 * unit, y: up(value) + 0.28 * unit, "text-anchor": "end" }, text));
  }
  for (const [value, text] of x.ticks) {
    svg.append(element("line", { class: "grid", x1: across(value), x2: across(value), y1: inner.bottom, y2: inner.bottom + 0.25 * unit }));
    svg.append(element("text", { class: "tick", x: across(value), y: inner.bottom + 1.15 * unit, "text-anchor": "middle" }, text));
  }
  const put = (name, attributes, text) => { const made = element(name, attributes, text); svg.append(made); return made; };
  return {
    across, up, inner, unit, put,
    line: (points, kind) => put("path", { class: `curve ${kind}`, d: points.map(([a, b], i) => `${i ? "L" : "M"}${across(a).toFixed(1)} ${up(b).toFixed(1)}`).join("") }),
    dot: (a, b, kind) => put("circle", { class: `dot ${kind}`, cx: across(a), cy: up(b), r: 0.32 * unit }),
    text: (a, b, text, kind = "", dx = 0, dy = 0) => put("text", { class: kind, x: across(a) + dx * unit, y: up(b) + dy * unit }, text),
    rule: (value, kind = "here") => put("line", { class: kind, x1: across(value), x2: across(value), y1: inner.top, y2: inner.bottom }),
  };
}

const range = (from, to, steps) => Array.from({ length: steps + 1 }, (_, i) => from + ((to - from) * i) / steps);

// A bar of 0..1 within its cell
const bars = byName("bar");
function bar(name, share) {
  for (const one of bars.get(name) ?? []) one.style.setProperty("--share", `${Math.max(0, Math.min(1, share || 0)) * 100}%`);
}
