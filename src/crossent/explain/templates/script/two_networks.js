// 4. Two networks: rows that can be edited or pasted, three measures, and the wrong answers that are often given.

const NAMES = ["dog", "cat", "fox", "hare"], MOST_ROWS = 40;
const EXAMPLE = "1,0,0.9,0.1,0.6,0.4;0,1,0.1,0.9,0.3,0.7;1,0,0.4,0.6,0.1,0.9";
const AT_ODDS = "1,0,0.45,0.55,0.6,0.4;0,1,0.55,0.45,0.3,0.7;1,0,0.9,0.1,0.1,0.9";

// A row is p, then NN1's q, then NN2's, with as many numbers each as there are classes.
function rowsOf(text) {
  const rows = text.split(";").map(row => row.split(",").map(one => (one.trim() === "" ? NaN : Number(one))));
  const width = rows[0].length;
  const fits = rows.length <= MOST_ROWS && [6, 9, 12].includes(width)
    && rows.every(row => row.length === width && row.every(value => value >= 0 && value <= 1));
  return fits ? rows : undefined;
}
const parts = row => [0, 1, 2].map(group => row.slice((group * row.length) / 3, ((group + 1) * row.length) / 3));

function measures(rows) {
  const of = (measure, group) => mean(rows.map(row => measure(parts(row)[0], parts(row)[group])));
  return [1, 2].map(group => ({
    error: of(classificationError, group), squared: of(squaredError, group), ce: of(crossEntropy, group),
  }));
}

function firstMistake(rows) {
  for (const [place, row] of rows.entries()) {
    for (const [group, values] of parts(row).entries()) {
      if (Math.abs(sum(values) - 1) > 1e-6) {
        return `Picture ${place + 1}: ${["p", "NN1's q", "NN2's q"][group]} adds up to ${digits(sum(values))}; it must be 1.`;
      }
    }
  }
  return "";
}

function drawRows(rows) {
  const classes = rows[0].length / 3, body = part("rows"), shape = `${rows.length}×${classes}`;
  if (body.dataset.shape !== shape) {
    body.dataset.shape = shape;
    const heads = NAMES.slice(0, classes).map((name, j) => `<th scope="col"${j === 0 ? ' class="first"' : ""}>${name}</th>`).join("");
    part("rows-head").innerHTML = `<tr><td></td>${["it is, p", "NN1 says, q", "NN2 says, q"].map(text => `<th scope="colgroup" class="first" colspan="${classes}">${text}</th>`).join("")}</tr><tr><td></td>${heads.repeat(3)}</tr>`;
    body.innerHTML = rows.map((row, i) => `<tr><th scope="row"><span><svg class="animal" aria-hidden="true"><use/></svg>${i + 1}</span></th>${row.map((_, j) => {
      const group = Math.floor(j / classes), label = `picture ${i + 1}, ${["p", "NN1", "NN2"][group]}, ${NAMES[j % classes]}`;
      return `<td${j % classes === 0 ? ' class="first"' : ""}><input type="number" min="0" max="1" step="any" data-row="${i}" data-column="${j}" aria-label="${label}"></td>`;
    }).join("")}</tr>`).join("");
  }
  rows.forEach((row, i) => {
    const kind = NAMES[largestOf(parts(row)[0])];
    const drawing = kind === "dog" && i === 2 && rows.length === 3 ? "odd-dog" : kind;
    body.rows[i].querySelector("use").setAttribute("href", `#${["dog", "cat", "odd-dog"].includes(drawing) ? drawing : "any-animal"}`);
    row.forEach((value, j) => {
      const input = body.rows[i].querySelectorAll("input")[j];
      if (input !== document.activeElement) input.value = value;
    });
  });
}

section("two-networks", {
  rows: { start: rowsOf(EXAMPLE), read: rowsOf, write: rows => rows.map(row => row.join(",")).join(";") },
  cover: among("off", ["on", "off"]),
}, () => {
  const rows = settings.rows, mistake = firstMistake(rows);
  drawRows(rows);
  part("rows-mistake").textContent = mistake;
  part("measures").classList.toggle("covered", settings.cover === "on");
  const found = mistake ? [1, 2].map(() => ({ error: NaN, squared: NaN, ce: NaN })) : measures(rows);
  const shown = value => (Number.isNaN(value) ? "–" : fixed(value, 2));
  found.forEach((one, i) => {
    for (const [name, value] of Object.entries(one)) show(`nn${i + 1}-${name}`, value, shown(value));
    show(`nn${i + 1}-typical`, Math.exp(-one.ce), shown(Math.exp(-one.ce)));
    show(`nn${i + 1}-wrong`, one.error * rows.length, mistake ? "–" : `${Math.round(one.error * rows.length)} of ${rows.length}`);
  });
  part("verdict").textContent = mistake ? "" : verdict(found);
  const odds = !mistake && atOdds(found);
  part("at-odds").textContent = odds ? `Found: ${odds} makes more mistakes, yet its cross-entropy is lower.` : mistake ? "" : "Not yet.";
  part("at-odds").classList.toggle("right", Boolean(odds));
  recognise();
});

const atOdds = ([one, two]) => (one.error > two.error && one.ce < two.ce ? "NN1" : two.error > one.error && two.ce < one.ce ? "NN2" : "");

function verdict([one, two]) {
  const worse = name => (one[name] === two[name] || Math.abs(one[name] - two[name]) < 1e-12 ? "neither" : one[name] > two[name] ? "NN1" : "NN2");
  const [error, squared, ce] = ["error", "squared", "ce"].map(worse);
  const start = error === "neither" ? "Same number of mistakes" : `${error} makes more mistakes`;
  if (squared === ce) return `${start}; by squared error and cross-entropy ${ce} is more wrong.`;
  return `${start}; by squared error ${squared} is more wrong, by cross-entropy ${ce}.`;
}

// What a typed number is: one of the six, or a wrong answer with a name.
function recognise() {
  const typed = part("typed"), text = typed.value, value = parsed(text), classes = settings.rows[0].length / 3;
  const said = (words, right) => { part("recognised").textContent = words; part("recognised").classList.toggle("right", Boolean(right)); };
  if (text.trim() === "") return said("");
  if (Number.isNaN(value)) return said("That is no number; write it like 0.25.");
  if (firstMistake(settings.rows)) return said("First mend the row named above.");
  const [one, two] = measures(settings.rows), both = [["NN1", one], ["NN2", two]];
  const hits = candidate => both.filter(([, found]) => matches(value, text, candidate(found))).map(([name]) => name);
  for (const [name, words] of [["ce", "cross-entropy"], ["squared", "squared error"], ["error", "classification error"]]) {
    const names = hits(found => found[name]);
    if (names.length) return said(`Right: the ${words} of ${names.join(" and of ")}.`, true);
  }
  const rows = settings.rows.length;
  const wrong = [
    [found => found.squared / classes, "squared", `squared error, averaged over the classes too, as np.mean does. Sum over the ${classes} classes`],
    [found => found.ce / Math.LN10, "ce", "cross-entropy with log₁₀. With ln"],
    [found => found.ce / Math.LN2, "ce", "cross-entropy in bits, with log₂. In nats"],
    [found => found.ce / classes, "ce", `cross-entropy, divided by the ${classes} classes too. Averaged over the pictures alone`],
    [found => found.ce * rows, "ce", `cross-entropy, summed over the ${rows} pictures. Averaged`],
    [found => found.squared * rows, "squared", `squared error, summed over the ${rows} pictures. Averaged`],
    [found => 1 - found.error, "error", "share of right answers. The share of wrong ones is the error"],
  ];
  for (const [candidate, name, words] of wrong) {
    const [hit] = hits(candidate);
    if (hit) return said(`That is the ${words}: ${fixed((hit === "NN1" ? one : two)[name], 2)} for ${hit}.`);
  }
  return said(/\.\d\d/.test(text) ? "None of the six. Is it a mean over the pictures, with ln?" : "Give two decimals or more.");
}

part("typed").addEventListener("input", recognise);
part("rows").addEventListener("input", event => {
  const { row, column } = event.target.dataset, value = Number(event.target.value);
  if (event.target.value.trim() === "" || !(value >= 0 && value <= 1)) return;
  const rows = settings.rows.map(one => [...one]), classes = rows[0].length / 3;
  rows[row][column] = value;
  if (classes === 2) rows[row][Number(column) ^ 1] = Number((1 - value).toFixed(12)); // two numbers, one to choose
  set("rows", rows);
});
part("rows").addEventListener("change", () => drawRows(settings.rows));
part("show-odds").addEventListener("click", () => set("rows", rowsOf(AT_ODDS)));

// Pasted rows: the label's name, or p for every class; then NN1's q, then NN2's. A first line of names is passed over.
part("use-pasted").addEventListener("click", () => {
  const lines = part("pasted").value.split("\n").map(line => line.trim()).filter(Boolean);
  const rows = [];
  let trouble = lines.length ? "" : "Nothing is pasted yet.";
  for (const [place, line] of lines.entries()) {
    const cells = line.split(/[,;\t ]+/).filter(Boolean), numbers = cells.map(Number);
    const label = NAMES.indexOf(cells[0].toLowerCase()), others = numbers.slice(1);
    if (place === 0 && numbers.some(Number.isNaN) && others.every(Number.isNaN)) continue; // a heading
    const row = label < 0 ? numbers : [...NAMES.slice(0, others.length / 2).map((_, j) => (j === label ? 1 : 0)), ...others];
    if (!rowsOf(row.join(","))) {
      trouble = `Line ${place + 1}, '${line.slice(0, 40)}', is no row: give a label (dog, cat, fox or hare) and every network's q for 2, 3 or 4 classes.`;
      break;
    }
    rows.push(row);
  }
  if (!trouble && rows.some(row => row.length !== rows[0].length)) trouble = "The rows differ in their number of classes; paste those of one kind.";
  if (!trouble && rows.length > MOST_ROWS) trouble = `${rows.length} rows are too many for a page; paste ${MOST_ROWS}, and give the rest to crossent compare.`;
  if (!trouble && !rows.length) trouble = "There is only a heading; paste rows below it.";
  part("paste-trouble").textContent = trouble;
  if (!trouble) { set("rows", rows); }
});
