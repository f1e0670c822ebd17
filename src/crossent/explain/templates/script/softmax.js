// 2. Softmax: scores, temperature, what a computer makes of it, and how each probability answers each score.

const ANIMALS = ["dog", "cat", "fox"];

section("softmax", {
  "score-dog": within(2, -10, 10), "score-cat": within(1, -10, 10), "score-fox": within(-1, -10, 10),
  temperature: within(1, 0.1, 10), added: within(0, -100, 100),
}, () => {
  const temperature = settings.temperature;
  const scores = ANIMALS.map(name => (settings[`score-${name}`] + settings.added) / temperature);
  const q = softmax(scores), again = softmax(q), each = scores.map(alone);
  show("temperature", temperature, digits(temperature, 2));
  show("added", settings.added, fixed(settings.added, 0));
  ANIMALS.forEach((name, j) => {
    show(`score-${name}`, settings[`score-${name}`], fixed(settings[`score-${name}`], 1));
    show(`x-${name}`, scores[j], fixed(scores[j], 2));
    for (const [column, values] of [["q", q], ["again", again], ["alone", each]]) {
      show(`${column}-${name}`, values[j], fixed(values[j], 3));
      bar(`${column}-${name}`, values[j]);
    }
  });
  show("q-sum", sum(q), fixed(sum(q), 3));
  show("again-sum", sum(again), fixed(sum(again), 3));
  show("alone-sum", sum(each), fixed(sum(each), 3));
  const top = Math.max(...scores), winners = ANIMALS.filter((_, j) => scores[j] === top);
  show("winner", winners.join(" "), winners.join(" and "));

  for (const [name, rounded] of [["half", half], ["single", Math.fround]]) {
    const plain = roundedSoftmax(scores, rounded), mended = roundedSoftmax(scores.map(score => score - top), rounded);
    show(`${name}-power`, Math.max(...plain.powers), digits(Math.max(...plain.powers)));
    show(`${name}-total`, plain.total, digits(plain.total));
    ANIMALS.forEach((animal, j) => show(`${name}-plain-${animal}`, plain.q[j], fixed(plain.q[j], 3)));
    ANIMALS.forEach((animal, j) => show(`${name}-mended-${animal}`, mended.q[j], fixed(mended.q[j], 3)));
    part(`${name}-row`).classList.toggle("broken", !plain.q.every((value, j) => Math.abs(value - q[j]) < 0.01));
  }

  jacobian(q).forEach((row, i) => row.forEach((slope, j) => {
    const name = `slope-${ANIMALS[i]}-${ANIMALS[j]}`, value = slope / temperature;
    show(name, value, fixed(value, 3));
    for (const cell of document.querySelectorAll(`[data-heat="${name}"]`)) {
      cell.style.setProperty("--heat", `${Math.min(1, Math.abs(value) / 0.25) * 36}%`);
      cell.classList.toggle("falls", value < 0);
    }
  }));
});
