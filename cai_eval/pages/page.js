// What the page does: it filters, sorts, and lists items. The address holds what is shown.

const find = (id) => document.getElementById(id);
const study = JSON.parse(find("study").textContent);
const filter = find("filter");
const picker = find("picker");
const PAGE = 50; // items that the list shows at first, and more at a time
const RANK = { lost: 0, won: 1, failed: 2, same: 3, "": 3 };
const title = (intervention) => study.interventions[intervention] ?? intervention;

// -- shards: scripts beside the page, loaded when they are asked for -----------------------------------------------

async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

function remembered(compute) {
  const known = new Map();
  return (key) => known.get(key) ?? known.set(key, compute(key)).get(key);
}

const arrivals = new Map();
globalThis.shard = (name, packed) => arrivals.get(name)(unpack(packed));

const load = remembered((name) => new Promise((resolve, reject) => {
  arrivals.set(name, resolve);
  const script = make("script", { src: `shards/${name}.js` });
  script.onerror = () => reject(new Error(`shards/${name}.js is not there`));
  document.head.append(script);
}));

const sampleOf = remembered((cell) => unpack(study.cells[cell].sample));

/** A cell's items as columns: all of them, or those on the page where the shards are not beside it. */
const listingOf = remembered(async (cell) => {
  try {
    return await load(`${study.cells[cell].shards}-index`);
  } catch {
    return { ...(await sampleOf(cell)).listing, partial: true };
  }
});

/** A cell's record of an item, from the page or from its shard. Throws where it is in neither. */
async function recordOf(cell, item) {
  const { listing, records } = await sampleOf(cell);
  const near = records[listing.item.indexOf(item)];
  if (near) return near;
  const n = (await listingOf(cell)).item.indexOf(item);
  if (n < 0) throw new Error("no such item");
  return (await load(`${study.cells[cell].shards}-${Math.floor(n / study.size)}`))[n % study.size];
}

// -- what is shown, as the address has it ---------------------------------------------------------------------------

const state = { benchmark: "", intervention: "", cell: "", item: "" };
const asked = () => new URLSearchParams(location.hash.slice(1));
const isOurs = (parts) => Object.keys(state).some((name) => parts.has(name));
const address = (parts) => `#${new URLSearchParams(Object.entries(parts).filter(([, value]) => value))}`;

function fits(cell) {
  return ["benchmark", "intervention"].every((name) => !state[name] || cell[name] === state[name]);
}

/** Take over the address. One that is not ours is a place on the page: what hides it is opened. */
async function follow() {
  const parts = asked();
  if (!isOurs(parts)) return reveal(location.hash && find(location.hash.slice(1)));
  const known = { benchmark: study.benchmarks, intervention: study.interventions, cell: study.cells };
  for (const [name, values] of Object.entries(known)) {
    if (parts.has(name)) state[name] = Object.hasOwn(values, parts.get(name)) ? parts.get(name) : "";
  }
  if (!parts.has("cell")) state.cell = "";
  state.item = state.cell && parts.get("item") || "";
  if (state.cell && !fits(study.cells[state.cell])) state.benchmark = state.intervention = "";
  history.replaceState(null, "", address(state));
  narrow();
  await list();
  if (parts.has("cell")) reveal(find("items"));
}

function reveal(target) {
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  const box = target && target.getBoundingClientRect();
  if (box && (box.top > innerHeight / 2 || box.bottom < innerHeight / 2)) target.scrollIntoView();
}

/** Change what is shown, and say so in the address. */
function go(changed) {
  history.replaceState(null, "", address({ ...state, ...changed }));
  Object.assign(state, changed);
  narrow();
  return list();
}

// -- filter ---------------------------------------------------------------------------------------------------------

const pointsOf = (drawn) => [...drawn.querySelectorAll("a[href^='#cell=']")];
const cellOf = (point) => study.cells[new URLSearchParams(point.getAttribute("href").slice(1)).get("cell")];
const dim = (element, is) => element.classList.toggle("dim", is);

/** Hide and dim what the filter leaves out: parts, rows of tables, figures with their panels, curves and points. */
function narrow() {
  for (const name of ["benchmark", "intervention"]) {
    filter.elements[name].value = state[name];
    for (const each of document.querySelectorAll(`[data-${name}]`)) {
      each.hidden = state[name] !== "" && each.dataset[name] !== state[name];
    }
  }
  const wanted = { benchmark: state.benchmark, intervention: visible(title(state.intervention)) };
  for (const each of document.querySelectorAll("table.sorted")) {
    const heads = [...each.tHead.rows[0].cells].map((head) => head.textContent);
    const rows = [...each.tBodies[0].rows];
    const isOther = (row, name) => wanted[name] && heads.includes(name)
      && row.cells[heads.indexOf(name)].textContent !== wanted[name];
    for (const row of rows) row.hidden = Object.keys(wanted).some((name) => isOther(row, name));
    const whole = each.closest(".part");
    if (whole) whole.hidden = rows.length > 0 && rows.every((row) => row.hidden);
  }
  const isOther = (points) => points.length > 0 && state.benchmark !== ""
    && points.every((point) => cellOf(point).benchmark !== state.benchmark);
  for (const figure of document.querySelectorAll("figure")) {
    figure.hidden = isOther(pointsOf(figure));
    for (const panel of figure.querySelectorAll("[id*='-axes_']")) dim(panel, isOther(pointsOf(panel)));
    for (const point of pointsOf(figure)) dim(point, !fits(cellOf(point)));
    for (const curve of figure.querySelectorAll("[data-curve]")) {
      const name = curve.dataset.curve;
      dim(curve, state.intervention !== "" && name in study.interventions && name !== state.intervention);
    }
  }
}

// -- tables ---------------------------------------------------------------------------------------------------------

/** Let the heads of a table sort it: numbers as numbers, what is missing last in both directions. */
function sortable(sorted) {
  const heads = [...sorted.tHead.rows[0].cells];
  const key = (row, at) => row.cells[at].dataset.value ?? row.cells[at].textContent;
  for (const [at, head] of heads.entries()) {
    const button = make("button", { type: "button" }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const order = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const rows = [...sorted.tBodies[0].rows].sort((one, other) => compare(key(one, at), key(other, at), sign));
      sorted.tBodies[0].append(...rows);
    });
  }
}

function compare(one, other, sign) {
  if (one === "" || other === "") return (one === "") - (other === "");
  return sign * (Number(one) - Number(other) || one.localeCompare(other, "en", { numeric: true }));
}

// -- the list of items ----------------------------------------------------------------------------------------------

const opened = { cell: "", listing: null, places: [] }; // places in the listing, in the order of the list

const named = (cell) => [cell.benchmark, cell.model, title(cell.intervention), cell.seed].filter(Boolean).join(" · ");

async function list() {
  const cells = Object.entries(study.cells).filter(([, cell]) => fits(cell));
  if (!cells.some(([name]) => name === state.cell)) state.cell = state.item = "";
  const cell = state.cell || (cells.find(([, each]) => each.lost + each.won) ?? cells[0])?.[0];
  if (!cell) return find("told").replaceChildren("No cell was measured with these.");
  picker.elements.cell.replaceChildren(...cells.map(([name, each]) => make("option", { value: name }, named(each))));
  picker.elements.cell.value = cell;
  const listing = await listingOf(cell);
  if (picker.elements.cell.value !== cell) return; // another one was asked for meanwhile
  const wasOpen = opened.cell === cell;
  Object.assign(opened, { cell, listing });
  if (!wasOpen) relist();
  await open(state.item || listing.item[opened.places[0]]);
}

/** Fill the list with the items that the picker leaves: lost ones, won ones, failed ones, the others. */
function relist() {
  const { cell, listing } = opened;
  const select = picker.elements.change;
  const kinds = Object.keys(RANK).filter((kind) => kind && listing.change.includes(kind));
  const change = kinds.includes(select.value) ? select.value : "";
  select.replaceChildren(...["", ...kinds].map((kind) => make("option", { value: kind }, kind || "all")));
  select.value = change;
  const words = picker.elements.words.value.toLowerCase();
  const searched = [listing.item, listing.category, listing.tail];
  const has = (n) => !words || searched.some((column) => column[n].toLowerCase().includes(words));
  const rank = (a, b) => RANK[listing.change[a]] - RANK[listing.change[b]];
  opened.places = [...listing.item.keys()].filter((n) => (!change || listing.change[n] === change) && has(n))
    .sort((a, b) => rank(a, b) || listing.moved[b] - listing.moved[a] || a - b);
  find("told").replaceChildren(told(study.cells[cell], listing));
  find("list").replaceChildren();
  extend();
}

function told({ items, base, lost, won }, { partial }) {
  const compared = base ? `; ${count(lost)} lost and ${count(won)} won against ${title(study.base)}` : "";
  const where = partial ? " This page holds a sample; the folder “shards” with all records is not beside it." : "";
  return visible(`${count(items)} items${compared}; ${count(opened.places.length)} listed.${where}`);
}

function extend() {
  const { cell, listing, places } = opened;
  const at = find("list").children.length;
  for (const n of places.slice(at, at + PAGE)) {
    const item = listing.item[n];
    const link = make("a", { href: address({ cell, item }) }, badge(listing.change[n]), make("b", {}, item),
      make("small", {}, listing.category[n]), make("span", { dir: "auto" }, listing.tail[n]));
    link.dataset.item = item;
    find("list").append(make("li", {}, link));
  }
  find("more").hidden = at + PAGE >= places.length;
}

// -- one item -------------------------------------------------------------------------------------------------------

async function open(item) {
  const { cell, listing, places } = opened;
  const { base } = study.cells[cell];
  const at = places.findIndex((n) => listing.item[n] === item);
  for (const [id, place] of [["previous", places[at - 1]], ["next", places[at + 1]]]) {
    find(id).disabled = place === undefined;
    find(id).onclick = () => go({ cell, item: listing.item[place] });
  }
  find("permalink").setAttribute("href", address({ cell, item }));
  for (const link of find("list").querySelectorAll("a")) link.ariaCurrent = link.dataset.item === item ? "true" : null;
  let content = [];
  try {
    const after = item && await recordOf(cell, item);
    const before = item && base && await recordOf(base, item).catch(() => null);
    const { label } = study.cells[cell];
    const change = listing.change[listing.item.indexOf(item)];
    if (item) content = described(after, before, change, [named(study.cells[cell]), label]);
  } catch (error) {
    content = [make("p", {}, `The record of ${item} cannot be shown: ${error.message}.`)];
  }
  if (opened.cell === cell && find("permalink").getAttribute("href") === address({ cell, item })) {
    find("item").replaceChildren(...content);
  }
}

// -- start ----------------------------------------------------------------------------------------------------------

for (const name in study.benchmarks) filter.elements.benchmark.append(make("option", { value: name }, name));
for (const name in study.interventions) {
  filter.elements.intervention.append(make("option", { value: name }, title(name)));
}
filter.hidden = find("items").hidden = false;
for (const form of [filter, picker]) form.addEventListener("submit", (event) => event.preventDefault());
filter.addEventListener("change", ({ target }) => go({ [target.name]: target.value }));
filter.addEventListener("reset", () => go({ benchmark: "", intervention: "" }));
picker.addEventListener("input", ({ target }) =>
  target.name === "cell" ? go({ cell: target.value, item: "" }) : relist());
find("more").addEventListener("click", extend);
document.querySelectorAll("table.sorted").forEach(sortable);
addEventListener("hashchange", follow);
if (!isOurs(asked())) list();
follow();
