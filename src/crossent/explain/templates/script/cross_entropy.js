// 3. Cross-entropy: two formulas, two parts, and how to read the number.

section("cross-entropy", {
  "ce-dog": within(2.2, -5, 5), "ce-cat": within(0, -5, 5), label: within(1, 0, 1),
  unit: among("nats", ["nats", "bits"]), loss: within(0.7, 0, 3),
}, () => {
  const scores = [settings["ce-dog"], settings["ce-cat"]], p = [settings.label, 1 - settings.label];
  const q = softmax(scores), powers = scores.map(Math.exp), total = sum(powers);
  const bits = settings.unit === "bits", scale = bits ? 1 / Math.LN2 : 1, log = bits ? "log₂" : "ln";
  const inUnit = (name, nats) => show(name, nats * scale, fixed(nats * scale, 3));
  show("ce-dog", scores[0], fixed(scores[0], 1));
  show("ce-cat", scores[1], fixed(scores[1], 1));
  ["dog", "cat"].forEach((name, j) => {
    show(`p-${name}`, p[j], fixed(p[j], 2));
    show(`ce-q-${name}`, q[j], fixed(q[j], 2));
  });
  const terms = (weights, of) => weights.map((weight, j) => [weight, of[j]]).filter(([weight]) => weight > 0)
    .map(([weight, text]) => (weight === 1 ? `${log} ${text}` : `${fixed(weight, 2)} · ${log} ${text}`)).join(" + ");
  const minus = text => (text.includes("+") ? `−(${text})` : `−${text}`);
  show("by-scores-terms", 0, minus(terms(p, powers.map(power => `(${fixed(power, 2)} ÷ ${fixed(total, 2)})`))));
  show("by-probabilities-terms", 0, minus(terms(p, q.map(value => fixed(value, 2)))));
  show("swapped-terms", 0, minus(terms(q, p.map(value => fixed(value, 2)))));
  inUnit("by-scores", sum(p.map((weight, j) => (weight === 0 ? 0 : weight * (logSumExp(scores) - scores[j])))));
  inUnit("by-probabilities", crossEntropy(p, q));
  inUnit("swapped", crossEntropy(q, p));
  inUnit("entropy", entropy(p));
  inUnit("divergence", divergence(p, q));
  inUnit("whole", crossEntropy(p, q));
  for (const place of document.querySelectorAll("[data-log]")) place.textContent = log;
  for (const place of document.querySelectorAll("[data-unit]")) place.textContent = settings.unit;
  const longest = Math.max(1.5, crossEntropy(p, q));
  bar("entropy", entropy(p) / longest);
  bar("divergence", divergence(p, q) / longest);

  const typical = Math.exp(-settings.loss);
  show("loss", settings.loss, fixed(settings.loss, 2));
  show("typical", typical, fixed(typical, 2));
  const drawing = chart(part("typical-chart"), {
    x: { at: linear(0, 3), ticks: [0, 1, 2, 3].map(value => [value, String(value)]) },
    y: { at: linear(0, 1), ticks: [0, 0.5, 1].map(value => [value, String(value)]) },
  });
  drawing.line(range(0, 3, 90).map(value => [value, Math.exp(-value)]), "ce");
  for (const [name, at] of [["NN1", measures(rowsOf(EXAMPLE))[0].ce], ["NN2", measures(rowsOf(EXAMPLE))[1].ce]]) {
    drawing.put("circle", { class: "mark", cx: drawing.across(at), cy: drawing.up(Math.exp(-at)), r: 0.28 * drawing.unit });
    drawing.text(at, Math.exp(-at), name, "tick", 0.5, -0.35);
  }
  drawing.put("path", { class: "here", d: `M${drawing.across(settings.loss)} ${drawing.inner.bottom}V${drawing.up(typical)}H${drawing.inner.left}` });
  drawing.dot(settings.loss, typical, "ce");
});
