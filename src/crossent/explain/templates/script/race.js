// 6. The race: curves of runs made when the page was built, played back.

const RACE = JSON.parse(part("race-data").textContent);
const LANES = [["ce", "cross-entropy"], ["se", "squared error"], ["raw", "squared error of raw outputs"]];
const LAST = RACE.steps;
let ticking = null;

section("race", {
  from: among("wrong", ["ordinary", "wrong"]), rate: among("common", ["common", "best"]), at: within(LAST, 0, LAST),
}, () => {
  const runs = RACE.runs[settings.from][settings.rate], at = Math.round(settings.at);
  show("at", at, String(at));
  const drawing = chart(part("race-chart"), {
    x: { at: linear(0, LAST), ticks: [0, 50, 100, 150, 200].map(value => [value, String(value)]) },
    y: { at: linear(0, 1), ticks: [[0, "0 %"], [0.5, "50 %"], [1, "100 %"]] }, left: 3, right: 1,
  });
  drawing.put("line", { class: "goal", x1: drawing.inner.left, x2: drawing.inner.right, y1: drawing.up(RACE.goal), y2: drawing.up(RACE.goal) });
  drawing.put("text", { class: "tick", x: drawing.inner.right, y: drawing.up(RACE.goal) - 0.35 * drawing.unit, "text-anchor": "end" }, `goal: ${fixed(100 * RACE.goal, 0)} %`);
  for (const [lane, loss] of [...LANES].reverse()) {
    const run = runs[loss];
    drawing.line(run.wrong.slice(0, at + 1).map((share, step) => [step, share]), lane);
    drawing.dot(at, run.wrong[at], lane);
    show(`race-${lane}`, run.wrong[at], `${fixed(100 * run.wrong[at], 1)} %`);
    show(`race-${lane}-rate`, run.rate, String(run.rate));
    const arrived = run.arrived !== null && run.arrived <= at;
    show(`race-${lane}-arrived`, arrived ? run.arrived : NaN, arrived ? String(run.arrived) : at === LAST ? `not in ${LAST}` : "not yet");
  }
  for (const one of document.querySelectorAll("[data-outcome]")) one.hidden = one.dataset.outcome !== `${settings.from}-${settings.rate}`;
  part("play").textContent = ticking ? "Pause" : at === LAST ? "Play again" : "Play";
});

function stop() {
  clearInterval(ticking);
  ticking = null;
}

part("play").addEventListener("click", () => {
  if (ticking) { stop(); set("at", settings.at); return; }
  const from = settings.at >= LAST ? 0 : settings.at;
  const slow = matchMedia("(prefers-reduced-motion: reduce)").matches; // then it goes by stages
  const stride = slow ? 20 : 1;
  ticking = setInterval(() => {
    if (settings.at >= LAST) stop();
    set("at", Math.min(LAST, settings.at + stride));
  }, slow ? 1000 : 40);
  set("at", from);
});
part("step").addEventListener("click", () => { stop(); set("at", settings.at >= LAST ? 0 : Math.min(LAST, settings.at + 1)); });
for (const one of document.querySelectorAll("[data-setting='at'], [data-setting='from'], [data-setting='rate']")) {
  one.addEventListener("input", () => { if (ticking && one.dataset.setting === "at") { stop(); set("at", settings.at); } });
}
