// The print view: a sheet with blanks and the same sheet filled in, both of what is set on the page.

function drawWorksheet() {
  const scores = [settings.dog, settings.cat], powers = scores.map(Math.exp), q = softmax(scores);
  ["dog", "cat"].forEach((name, j) => {
    show(`sheet-score-${name}`, scores[j], fixed(scores[j], 1));
    show(`sheet-power-${name}`, powers[j], fixed(powers[j], 2));
    show(`sheet-q-${name}`, q[j], fixed(q[j], 2));
  });
  show("sheet-total", sum(powers), fixed(sum(powers), 2));

  const p = [settings.label, 1 - settings.label], predicted = softmax([settings["ce-dog"], settings["ce-cat"]]);
  show("sheet-nats", crossEntropy(p, predicted), fixed(crossEntropy(p, predicted), 3));
  show("sheet-bits", crossEntropy(p, predicted) / Math.LN2, fixed(crossEntropy(p, predicted) / Math.LN2, 3));
  show("sheet-swapped", crossEntropy(predicted, p), fixed(crossEntropy(predicted, p), 3));

  const rows = settings.rows, classes = rows[0].length / 3, heads = NAMES.slice(0, classes).map(name => `<th>${name}</th>`).join("");
  for (const table of document.querySelectorAll("[data-sheet-rows]")) {
    const filled = table.dataset.sheetRows === "key", cell = value => `<td class="blank">${filled ? fixed(value, 2) : ""}</td>`;
    table.innerHTML = `<thead><tr><td></td>${["p", "NN1, q", "NN2, q"].map(text => `<th colspan="${classes}">${text}</th>`).join("")}<th colspan="2">squared error</th><th colspan="2">cross-entropy</th></tr>
      <tr><td></td>${heads.repeat(3)}<th>NN1</th><th>NN2</th><th>NN1</th><th>NN2</th></tr></thead><tbody>${rows.map((row, i) => {
        const [truth, one, two] = parts(row);
        return `<tr><th>${i + 1}</th>${row.map(value => `<td>${digits(value, 2).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "")}</td>`).join("")}${cell(squaredError(truth, one))}${cell(squaredError(truth, two))}${cell(crossEntropy(truth, one))}${cell(crossEntropy(truth, two))}</tr>`;
      }).join("")}<tr><th colspan="${1 + 3 * classes}">mean</th>${["squared", "ce"].map(name => measures(rows).map(found => cell(found[name])).join("")).join("")}</tr></tbody>`;
  }

  for (const q of [1e-6, 1e-3, 0.5]) {
    for (const [name, kind] of [["ce", KINDS.ce], ["se", KINDS.se]]) {
      show(`sheet-${name}-loss-${q}`, kind.loss(q), fixed(kind.loss(q), 3));
      show(`sheet-${name}-slope-${q}`, kind.slope(q), digits(kind.slope(q)));
      show(`sheet-${name}-reaches-${q}`, kind.reaches(q), digits(kind.reaches(q)));
    }
    show(`sheet-own-${q}`, q * (1 - q), digits(q * (1 - q)));
  }
  const weights = [...KILOGRAMS, settings.heaviest];
  show("sheet-mean", mean(weights), fixed(mean(weights), 1));
  show("sheet-spread", mean(weights.map(weight => (weight - mean(weights)) ** 2)), fixed(mean(weights.map(weight => (weight - mean(weights)) ** 2)), 2));
}

window.addEventListener("beforeprint", drawWorksheet);
matchMedia("print").addEventListener("change", drawWorksheet);
part("print").addEventListener("click", () => window.print());
