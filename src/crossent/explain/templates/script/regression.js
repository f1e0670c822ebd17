// 7. Regression: a number to be predicted, its squared error, and the bell curve behind it.

const KILOGRAMS = [8, 9, 10, 11], SPREAD = 5;

section("regression", { said: within(10, 5, 25), heaviest: within(22, 12, 30) }, () => {
  const weights = [...KILOGRAMS, settings.heaviest], said = settings.said;
  const squared = value => mean(weights.map(weight => (weight - value) ** 2));
  const constant = Math.log(SPREAD * Math.sqrt(2 * Math.PI));
  show("said", said, fixed(said, 1));
  show("heaviest", settings.heaviest, fixed(settings.heaviest, 0));
  show("squared", squared(said), fixed(squared(said), 2));
  show("bell", squared(said) / (2 * SPREAD ** 2) + constant, fixed(squared(said) / (2 * SPREAD ** 2) + constant, 3));
  show("bell-constant", constant, fixed(constant, 3));
  show("bell-part", squared(said) / (2 * SPREAD ** 2), fixed(squared(said) / (2 * SPREAD ** 2), 3));
  const drawing = chart(part("weights"), {
    x: { at: linear(5, 30), ticks: [5, 10, 15, 20, 25, 30].map(value => [value, value === 30 ? "30 kg" : String(value)]) },
    y: { at: linear(0, 120), ticks: [0, 50, 100].map(value => [value, String(value)]) }, left: 2.4, right: 1.4, bottom: 2.6,
  });
  drawing.line(range(5, 25, 100).filter(value => squared(value) <= 120).map(value => [value, squared(value)]), "se");
  drawing.rule(said);
  if (squared(said) <= 120) drawing.dot(said, squared(said), "se");
  for (const weight of weights) {
    drawing.put("circle", { class: "weight", cx: drawing.across(weight), cy: drawing.inner.bottom + 1.95 * drawing.unit, r: 0.3 * drawing.unit });
    drawing.put("line", { class: "miss", x1: drawing.across(weight), x2: drawing.across(said), y1: drawing.inner.bottom + 1.95 * drawing.unit, y2: drawing.inner.bottom + 1.95 * drawing.unit });
  }
});
