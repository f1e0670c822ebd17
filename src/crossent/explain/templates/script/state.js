// What can be set, where it shows, and the address that keeps it. A section registers its settings and how it
// is drawn; nothing outside this file touches the address.

// without a prototype: an address may name anything
const [settings, specs, owners, drawn] = [1, 2, 3, 4].map(() => Object.create(null));
let current = "picture";

// A setting is what it starts as, and how it is read from an address (undefined: not so) and written there.
const within = (start, low, high) => ({
  start, write: String,
  read(text) { const value = text.trim() === "" ? NaN : Number(text); return value >= low && value <= high ? value : undefined; },
});
const among = (start, choices) => ({ start, write: String, read: text => (choices.includes(text) ? text : undefined) });

function section(id, own, draw) {
  for (const [key, spec] of Object.entries(own)) {
    specs[key] = spec; owners[key] = id; settings[key] = spec.start;
  }
  drawn[id] = draw;
}

function set(key, value) {
  settings[key] = value;
  control(key);
  drawn[owners[key]]();
  remember();
}

// Shows a number wherever the page has a place for it, with all its digits in the element's value.
function byName(kind) {
  const found = new Map();
  for (const place of document.querySelectorAll(`[data-${kind}]`)) found.set(place.dataset[kind], [...(found.get(place.dataset[kind]) ?? []), place]);
  return found;
}
const places = byName("show");
function show(name, value, text) {
  for (const place of places.get(name) ?? []) {
    if (place.tagName === "DATA") place.value = String(value);
    place.textContent = text;
  }
}
const part = name => document.querySelector(`[data-part="${name}"]`);

// Controls: sliders (some on a logarithmic scale), switches, choices

function control(key) {
  for (const input of document.querySelectorAll(`[data-setting="${key}"]`)) {
    const value = settings[key];
    if (input.type === "radio") input.checked = input.value === value;
    else if (input.type === "checkbox") input.checked = value === "on";
    else input.value = input.dataset.scale === "log" ? Math.log10(value) : value;
    spoken(input, value);
  }
}

// A slider on a logarithmic scale says the number, not its logarithm.
function spoken(input, value) {
  if (input.dataset.scale === "log") input.setAttribute("aria-valuetext", digits(value));
}

function setting(input) {
  if (input.type === "checkbox") return input.checked ? "on" : "off";
  if (input.type === "radio") return input.value;
  return input.dataset.scale === "log" ? Number((10 ** Number(input.value)).toPrecision(3)) : Number(input.value);
}

document.addEventListener("input", event => {
  const key = event.target.dataset?.setting;
  if (!key) return;
  settings[key] = setting(event.target);
  spoken(event.target, settings[key]);
  drawn[owners[key]]();
  for (const other of document.querySelectorAll(`[data-setting="${key}"]`)) if (other !== event.target) control(key);
  remember();
});

// The address: #section?key=value&key=value, with what differs from the start

function address(id, only) {
  const changed = Object.keys(specs).filter(key => (!only || owners[key] === id)
    && specs[key].write(settings[key]) !== specs[key].write(specs[key].start));
  const query = changed.map(key => `${key}=${encodeURIComponent(specs[key].write(settings[key])).replace(/%2C/g, ",").replace(/%3B/g, ";")}`);
  return `#${id}${query.length ? "?" : ""}${query.join("&")}`;
}

let waiting, known = location.hash;
function remember() {
  clearTimeout(waiting);
  waiting = setTimeout(() => remembered(address(current)), 150);
}
function remembered(hash) {
  for (const link of document.querySelectorAll("a[data-link]")) link.href = address(link.dataset.link, true);
  if (location.hash !== known) return; // the reader has gone to another address, and `hashchange` is on its way
  if (known !== hash) try { history.replaceState(null, "", hash); } catch { /* shown where pages have no address */ }
  known = location.hash;
}

function restore() {
  known = location.hash;
  const [id, query = ""] = location.hash.slice(1).split("?");
  for (const key of Object.keys(specs)) settings[key] = specs[key].start;
  for (const [key, text] of new URLSearchParams(query)) {
    const value = specs[key]?.read(text);
    if (value !== undefined) settings[key] = value;
  }
  Object.keys(specs).forEach(control);
  Object.values(drawn).forEach(draw => draw());
  if (drawn[id]) go(id);
  remember();
}

function go(id, focus) {
  arrive(id);
  document.getElementById(id).scrollIntoView({ behavior: "instant" });
  if (focus) document.getElementById(`${id}-title`).focus({ preventScroll: true });
}
function arrive(id) {
  current = id;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${id}`) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

document.addEventListener("click", event => {
  const link = event.target.closest("a[href^='#']");
  if (link?.closest("nav, .skip")) {
    event.preventDefault();
    go(link.hash.slice(1), true);
    remember();
  } else if (link?.dataset.link) {
    event.preventDefault();
    remembered(link.getAttribute("href"));
    const told = text => { link.textContent = text; setTimeout(() => { link.textContent = "Link to this setting"; }, 2500); };
    navigator.clipboard?.writeText(location.href).then(() => told("Link copied"), () => told("It is in the address bar"))
      ?? told("It is in the address bar");
  }
  const again = event.target.closest("button[data-reset]")?.dataset.reset;
  if (again) {
    for (const key of Object.keys(specs)) if (owners[key] === again) { settings[key] = specs[key].start; control(key); }
    drawn[again]();
    remember();
  }
});

// Called once, when every section has registered.
function begin() {
  restore();
  window.addEventListener("hashchange", restore);
  const seen = new IntersectionObserver(entries => {
    for (const entry of entries) if (entry.isIntersecting) { arrive(entry.target.id); remember(); }
  }, { rootMargin: "-45% 0px -50% 0px" });
  for (const id of Object.keys(drawn)) seen.observe(document.getElementById(id));
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== width) { width = window.innerWidth; Object.values(drawn).forEach(draw => draw()); }
  });
}
