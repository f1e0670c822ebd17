// 1. A picture, two numbers: softmax, or an output of its own for each class.

section("picture", {
  "with": among("on", ["on", "off"]),
  dog: within(2.2, -4, 4), cat: within(0, -4, 4),
  "dog-alone": within(2.2, -4, 4), "cat-alone": within(-0.2, -4, 4),
}, () => {
  const together = settings.with === "on";
  const scores = together ? [settings.dog, settings.cat] : [settings["dog-alone"], settings["cat-alone"]];
  const powers = scores.map(Math.exp), total = sum(powers);
  const q = together ? softmax(scores) : scores.map(alone);
  for (const one of document.querySelectorAll("#picture [data-mode]")) one.hidden = one.dataset.mode !== settings.with;
  ["dog", "cat"].forEach((name, j) => {
    const under = together ? fixed(total, 2) : `1 + ${fixed(powers[j], 2)}`;
    show(`picture-score-${name}`, scores[j], fixed(scores[j], 1));
    show(`picture-power-${name}`, powers[j], fixed(powers[j], 2));
    show(`picture-quotient-${name}`, q[j], `${fixed(powers[j], 2)} ÷ ${together ? under : `(${under})`}`);
    show(`picture-q-${name}`, q[j], together ? fixed(q[j], 2) : `${fixed(100 * q[j], 0)} %`);
    bar(`picture-${name}`, q[j]);
  });
  bar("stack-dog", q[0]);
  bar("stack-cat", q[1]);
  for (const one of document.querySelectorAll('[data-bar="stack-cat"]')) one.style.setProperty("--from", `${100 * q[0]}%`);
  show("picture-total", total, together ? fixed(total, 2) : "");
  show("picture-sum", sum(q), together ? fixed(sum(q), 2) : `${fixed(100 * q[0], 0)} + ${fixed(100 * q[1], 0)} %`);
});
