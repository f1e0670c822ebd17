// Questions: a choice or a number, answered on the spot. What is said stands in the page, beside the question.

for (const question of document.querySelectorAll(".question")) {
  const said = [...question.querySelectorAll("[data-said]")];
  const answer = name => said.forEach(one => { one.hidden = one.dataset.said !== name; });
  question.addEventListener("input", event => {
    if (event.target.type === "radio") answer(event.target.value);
    else if (event.target.dataset.answers) {
      const typed = parsed(event.target.value);
      const found = event.target.dataset.answers.split(" ").map(one => one.split(":")).find(([, value]) => matches(typed, event.target.value, Number(value)));
      answer(event.target.value.trim() === "" ? "" : found ? found[0] : Number.isNaN(typed) ? "no-number" : "other");
    }
  });
}

function parsed(text) {
  const plain = text.trim().replace("−", "-").replace(",", ".");
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(plain) ? Number(plain) : NaN;
}

// Typed to its last digit: 0.38 is 0.3757, 0.4 is not.
function matches(typed, text, value) {
  const decimals = (text.trim().replace(",", ".").split(".")[1] || "").length;
  return decimals >= 2 && Math.abs(typed - value) <= 0.5 * 10 ** -decimals + 1e-9;
}
