"use strict";
// A record as elements, beside the base's record of the same item. What models wrote is only ever set as text.

const ALIKE = 0.3; // share of words that two texts have in common at least, where what differs is marked
const COMPARED = 4_000_000; // product of two texts' words beyond which all of them count as different
const HIDDEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]|\p{Cs}/gu;
const code = (sign) => `⟨${sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`;
const visible = (value) => String(value).replace(HIDDEN, code);
const minus = (text) => text.replace("-", "−");
const count = (value) => value.toLocaleString("en");

function shown(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  return typeof value === "number" ? minus(String(Number(value.toPrecision(digits)))) : String(value);
}

/** An element with attributes and children: strings become text; what is empty, false or null is left out. */
function make(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  const kept = children.flat().filter((child) => child !== "" && child !== false && child != null);
  made.append(...kept.map((child) => (child instanceof Node ? child : visible(child))));
  return made;
}

const part = (heading, ...content) => make("section", {}, make("h4", {}, heading), ...content);
const text = (...content) => make("pre", { dir: "auto" }, ...content);

function table(heads, rows) {
  const head = make("tr", {}, heads.map((name) => make("th", { scope: "col" }, name)));
  const cell = (value) => (value instanceof Node ? value : make("td", { class: "number" }, shown(value)));
  const body = make("tbody", {}, rows.map((row) => make("tr", {}, row.map(cell))));
  return make("div", { class: "scroll" }, make("table", {}, make("thead", {}, head), body));
}

const badge = (change) => change && change !== "same" && make("i", { class: `badge ${change}` }, change);

/** What a record says. before: the base's, null where there is none. change: as the listing has it. about: the cell. */
function described(after, before, change, about) {
  const cluster = after.cluster !== after.item && `cluster ${after.cluster}`;
  const rest = before ? [["without", before], ["with", after]] : [["", after]];
  return [
    make("h3", {}, badge(change), after.item),
    make("p", { class: "quiet" }, [...about, after.category, cluster].filter(Boolean).join(" · ")),
    after.error && make("p", { class: "loss" }, `No score: ${after.error}`),
    beside("Prompt", before, after, "prompt"),
    options(before, after),
    beside("Answer", before, after, "answer"),
    after.reference && part("Right answer", text(after.reference)),
    scores(before, after),
    make("details", {}, make("summary", {}, "The rest of the record"),
      rest.flatMap(([words, record]) => [words && make("h4", {}, words), tree(record.details)])),
  ].filter(Boolean);
}

/** A text once where nothing changed; else without and with the intervention, what differs marked. */
function beside(heading, before, after, name) {
  if (!after[name] && !before?.[name]) return null;
  if (!before || before[name] === after[name]) return part(heading, text(after[name]));
  const [old, fresh] = difference(before[name], after[name]);
  const half = (words, content) => make("div", {}, make("small", {}, words), text(...content));
  return part(heading, make("div", { class: "beside" }, half("without", old), half("with", fresh)));
}

/** Both texts as children, what only one of them has in <del> or <ins>, by words; unmarked where all is different. */
function difference(before, after) {
  const [a, b] = [before, after].map((one) => one.match(/[\p{L}\p{N}]+|\s+|[^\p{L}\p{N}\s]/gu) ?? []);
  const runs = (words, kept, tag) => {
    const found = [];
    for (const [n, word] of words.entries()) {
      if (n && kept[n] === kept[n - 1]) found.at(-1).push(word);
      else found.push([word]);
    }
    let n = 0;
    return found.map((run) => [kept[n], run.join(""), n += run.length]).map(([same, joined]) =>
      same ? joined : make(tag, {}, joined));
  };
  const [old, fresh] = common(a, b);
  const isWord = (word) => /[\p{L}\p{N}]/u.test(word);
  const words = Math.max(...[a, b].map((all) => all.filter(isWord).length));
  if (a.filter((word, n) => old[n] && isWord(word)).length < ALIKE * words) return [[before], [after]];
  return [runs(a, old, "del"), runs(b, fresh, "ins")];
}

/** Which words of a and which of b belong to their longest common subsequence. */
function common(a, b) {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < Math.min(a.length, b.length) - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  const kept = [a, b].map((words) => words.map((_, n) => n < head || n >= words.length - tail));
  const [rows, columns] = [a.length - head - tail, b.length - head - tail];
  if (rows * columns > COMPARED) return kept;
  const width = columns + 1;
  const length = new Uint32Array((rows + 1) * width);
  const better = (i, j) => Math.max(length[(i + 1) * width + j], length[i * width + j + 1]);
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      length[i * width + j] = a[head + i] === b[head + j] ? length[(i + 1) * width + j + 1] + 1 : better(i, j);
    }
  }
  for (let i = 0, j = 0; i < rows && j < columns;) {
    if (a[head + i] === b[head + j]) kept[0][head + i++] = kept[1][head + j++] = true;
    else if (length[(i + 1) * width + j] >= length[i * width + j + 1]) i++;
    else j++;
  }
  return kept;
}

const isNumbers = (value) => Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === "number");

/** The options with every list of numbers that runs over them; without options, the answer's log-probability. */
function options(before, after) {
  const { options: texts, logprobs } = after.details;
  if (!Array.isArray(texts) || !texts.every((one) => typeof one === "string")) {
    if (!isNumbers(logprobs)) return null;
    const sum = (tokens) => shown(tokens.reduce((a, b) => a + b));
    const sums = [before?.details.logprobs, logprobs].filter(isNumbers).map(sum);
    return part("Log-probability of the right answer", make("p", {}, `${sums.join(" → ")} nats`));
  }
  const lists = (values, lead = "") => Object.entries(values).flatMap(([name, value]) => {
    if (isNumbers(value)) return value.length === texts.length ? [[lead + name, value]] : [];
    return value && typeof value === "object" && !Array.isArray(value) ? lists(value, `${name}, `) : [];
  });
  const old = Object.fromEntries(before ? lists(before.details) : []);
  const columns = lists(after.details);
  const chosen = before ? { "chosen without": before.answer, "chosen with": after.answer } : { chosen: after.answer };
  const said = { right: after.reference, ...chosen };
  const marks = (option) => Object.keys(said).filter((mark) => said[mark] === option).join(", ");
  const fixed = (values, n) => minus(values[n].toFixed(values.every(Number.isInteger) ? 0 : 2));
  const both = (name, values, n) => old[name]?.[n] === undefined || String(old[name]) === String(values)
    ? fixed(values, n) : `${fixed(old[name], n)} → ${fixed(values, n)}`;
  const rows = texts.map((option, n) => [make("td", { dir: "auto" }, option),
    make("td", { class: "short" }, marks(option)), ...columns.map(([name, values]) => both(name, values, n))]);
  return part("Options", table(["option", "", ...columns.map(([name]) => name)], rows),
    make("p", { class: "note" }, before ? "Log-probabilities in nats. Without → with." : "Log-probabilities in nats."));
}

function scores(before, after) {
  const names = Object.keys({ ...before?.scores, ...after.scores });
  if (!names.length) return null;
  const [heads, records] = before ? [["without", "with"], [before, after]] : [["value"], [after]];
  const rows = names.map((name) => [make("td", {}, name), ...records.map((record) => record.scores[name] ?? null)]);
  return part("Scores", table(["score", ...heads], rows));
}

/** Any JSON as nested lists. */
function tree(value) {
  const isLeaf = value === null || typeof value !== "object";
  if (isLeaf) return make("span", { class: "value", dir: "auto" }, shown(value, 6));
  if (Array.isArray(value)) return make("ol", {}, value.map((inner) => make("li", {}, tree(inner))));
  const entry = ([name, inner]) => [make("dt", {}, name), make("dd", {}, tree(inner))];
  return make("dl", {}, Object.entries(value).flatMap(entry));
}
