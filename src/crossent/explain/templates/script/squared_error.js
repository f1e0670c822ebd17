// 5. Why not squared error: loss, its slope in q, the softmax's slope, and what of it reaches the score.
// Two classes, the right one with probability q and the other with 1 - q.

const LOW = 1e-6, HIGH = 1e-3;
const KINDS = {
  ce: { loss: q => -Math.log(q), slope: q => -1 / q, reaches: q => q - 1 },
  se: { loss: q => 2 * (1 - q) ** 2, slope: q => -4 * (1 - q), reaches: q => -4 * q * (1 - q) ** 2 },
  step: { loss: q => (q >= 0.5 ? 0 : 1), slope: () => 0, reaches: () => 0 }, // a tie goes to the first class
};
const PARTED = [0, 0.7, 0.3]; // how cat and fox share what the dog leaves

section("squared-error", { right: within(LOW, LOW, 1) }, () => {
  const q = settings.right, own = q * (1 - q);
  show("right", q, digits(q));
  show("own-slope", own, digits(own));
  for (const [name, kind] of Object.entries(KINDS)) {
    show(`${name}-loss`, kind.loss(q), fixed(kind.loss(q), name === "step" ? 0 : 3));
    show(`${name}-slope`, kind.slope(q), digits(kind.slope(q)));
    show(`${name}-reaches`, kind.reaches(q), digits(kind.reaches(q)));
  }
  const shares = PARTED.map((share, j) => (j === 0 ? q : share * (1 - q)));
  ANIMALS.forEach((name, j) => {
    const value = shares[j] - (j === 0 ? 1 : 0);
    show(`step-q-${name}`, shares[j], digits(shares[j]));
    show(`pull-${name}`, value, digits(value));
    bar(`pull-${name}`, Math.abs(value));
  });

  const x = { at: logarithmic(LOW, 1), ticks: [[1e-6, "0.000001"], [1e-3, "0.001"], [1, "1"]] };
  const grid = range(-6, 0, 240).map(power => 10 ** power);
  const decades = powers => powers.map(power => [10 ** power, power === 0 ? "1" : powerOfTen(power)]);
  const margins = { left: 2.1, right: 1.1 };

  const losses = chart(part("losses"), { x, y: { at: linear(0, 15), ticks: [0, 5, 10].map(value => [value, String(value)]) }, ...margins });
  for (const [name, kind] of [["step", KINDS.step], ["se", KINDS.se], ["ce", KINDS.ce]]) losses.line(grid.map(value => [value, kind.loss(value)]), name);
  losses.put("path", { class: "step-mark", d: `M${losses.across(LOW)} ${losses.up(KINDS.ce.loss(LOW))}H${losses.across(HIGH)}V${losses.up(KINDS.ce.loss(HIGH))}` });
  const falls = losses.inner.right - losses.inner.left > 11 * losses.unit ? "falls by " : "−"; // as there is room
  losses.text(HIGH, 10.4, `${falls}${fixed(Math.log(HIGH / LOW), 1)}`, "ce", 0.35);
  losses.text(LOW, 2.9, `${falls}${fixed(KINDS.se.loss(LOW) - KINDS.se.loss(HIGH), 3)}`, "se", 0.2);

  const steep = chart(part("slopes"), { x, y: { at: logarithmic(1e-6, 1e6), ticks: decades([-6, -3, 0, 3, 6]) }, ...margins });
  const softer = chart(part("softmax-slope"), { x, y: { at: logarithmic(1e-6, 1e6), ticks: decades([-6, -3, 0, 3, 6]) }, ...margins });
  const product = chart(part("reaches"), { x, y: { at: logarithmic(1e-6, 1e6), ticks: decades([-6, -3, 0, 3, 6]) }, ...margins });
  const seen = (values, of) => values.map(value => [value, Math.abs(of(value))]).filter(([, size]) => size >= 1e-6);
  for (const name of ["se", "ce"]) {
    steep.line(seen(grid, KINDS[name].slope), name);
    product.line(seen(grid, KINDS[name].reaches), name);
  }
  softer.line(seen(grid, value => value * (1 - value)), "softmax");
  for (const [drawing, marks] of [
    [losses, [["step", KINDS.step.loss], ["se", KINDS.se.loss], ["ce", KINDS.ce.loss]]],
    [steep, [["se", KINDS.se.slope], ["ce", KINDS.ce.slope]]],
    [softer, [["softmax", value => value * (1 - value)]]],
    [product, [["se", KINDS.se.reaches], ["ce", KINDS.ce.reaches]]],
  ]) {
    drawing.rule(q);
    for (const [name, of] of marks) {
      const size = Math.abs(of(q));
      if (drawing === losses || size >= 1e-6) drawing.dot(q, size, name);
    }
  }
});
