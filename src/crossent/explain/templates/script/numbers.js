// The arithmetic of the page, and how numbers are written. The tests hold each formula to crossent's own.

const sum = values => values.reduce((total, value) => total + value, 0);
const largestOf = values => values.indexOf(Math.max(...values)); // the first of several

function softmax(scores) {
  const powers = scores.map(score => Math.exp(score - Math.max(...scores)));
  return powers.map(power => power / sum(powers));
}

const logSumExp = scores => Math.max(...scores) + Math.log(sum(scores.map(score => Math.exp(score - Math.max(...scores)))));
const alone = score => 1 / (1 + Math.exp(-score)); // a yes or no of its own
const timesLog = (weight, value) => (weight === 0 ? 0 : weight * Math.log(value));
const crossEntropy = (p, q) => 0 - sum(p.map((weight, j) => timesLog(weight, q[j])));
const entropy = p => crossEntropy(p, p);
const divergence = (p, q) => sum(p.map((weight, j) => (weight === 0 ? 0 : weight * Math.log(weight / q[j]))));
const squaredError = (p, q) => sum(p.map((weight, j) => (weight - q[j]) ** 2));
const classificationError = (p, q) => (largestOf(p) === largestOf(q) ? 0 : 1);
const mean = values => sum(values) / values.length;
const jacobian = q => q.map((row, i) => q.map((column, j) => row * ((i === j ? 1 : 0) - column)));

// A number as float16 holds it: the nearest of its grid, a tie to the even one, infinite from 65520 on.
function half(value) {
  const size = Math.abs(value);
  if (Number.isNaN(size)) return value;
  if (size >= 65520) return Math.sign(value) * Infinity;
  let exponent = -14;
  while (size >= 2 ** (exponent + 1)) exponent += 1;
  const grid = 2 ** (exponent - 10), down = Math.floor(size / grid), rest = size / grid - down;
  const steps = rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down;
  return Math.sign(value) * steps * grid;
}

// The softmax as a computer has it that rounds every intermediate result by `rounded`.
function roundedSoftmax(scores, rounded) {
  const powers = scores.map(score => rounded(Math.exp(rounded(score))));
  const total = powers.reduce((so_far, power) => rounded(so_far + power), 0);
  return { powers, total, q: powers.map(power => rounded(power / total)) };
}

const powerOfTen = exponent => `10${[...String(exponent)].map(one => (one === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[one])).join("")}`;

// `places` decimals, as the rest of crossent writes them
function fixed(value, places) {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const text = Math.abs(value).toFixed(places);
  const [whole, decimals] = text.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",") + (decimals ? `.${decimals}` : "");
  return value < 0 && Number(text) !== 0 ? `−${grouped}` : grouped;
}

// `digits` digits that count: 0.000004, 0.0123, 2.00, 1,000,000; beyond that a power of ten
function digits(value, count = 3) {
  if (value === 0 || !Number.isFinite(value)) return fixed(value, 0);
  const exponent = Math.floor(Math.log10(Math.abs(Number(value.toPrecision(count)))));
  if (exponent > 8 || exponent < -8) {
    return `${fixed(value / 10 ** exponent, 1)} × ${powerOfTen(exponent)}`;
  }
  const places = Math.max(0, count - 1 - exponent);
  const text = fixed(Number(value.toPrecision(count)), places);
  return exponent < -3 ? text.replace(/0+$/, "") : text;
}
