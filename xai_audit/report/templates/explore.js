"use strict";
// The page's own code: plain, no library. All state is in the address after #, so that a link, the
// back button and the controls are one thing. Data come as classic scripts that call xaiAudit(name,
// value): a page from the disk may not fetch files.
(() => {
const $ = (id) => document.getElementById(id);
const form = $("form"), shown = $("shown"), grid = $("grid"), detail = $("detail");
const DEFAULTS = { text: "", class: "", cue: "", verdict: "", reason: "", right: "", carrier: "", method: "", sort: "", order: "desc", show: "photo,heatmap,donor", opacity: "78", photo: "" };
const FILTERS = ["text", "class", "cue", "verdict", "reason", "right", "carrier", "method", "sort", "order"];
const TOGGLES = ["photo", "heatmap", "mask", "donor"];
// The page's language: English -> words; a page in English has none.
const SAID = JSON.parse($("words")?.textContent ?? "{}");
const say = (text, values = {}) => (SAID[text] ?? text).replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
// The tallest page that browsers lay out; what lies beyond is reached by filtering.
const TALLEST = 15e6, GAP = 14, WORDS = 66, HELD = 400;
const held = new Map(), waiting = new Map();
let index, columns = {}, carriers = {}, pictured = new Map(), colours, state = { ...DEFAULTS };
let found = new Int32Array(0), active = 0, orders = new Map(), drawn = new Map(), layout = {};

// Data.
globalThis.xaiAudit = (name, value) => { held.set(name, value); };
function load(name, mark = index && index.mark) {
  if (held.has(name)) { const value = held.get(name); held.delete(name); held.set(name, value); return Promise.resolve(value); }
  if (waiting.has(name)) return waiting.get(name);
  const promise = new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = `explore/${name}.js${mark ? `?${mark}` : ""}`;
    const end = (then) => { script.remove(); waiting.delete(name); then(); };
    script.onload = () => end(() => {
      const value = held.get(name);
      for (const old of held.keys()) if (held.size > HELD) held.delete(old); else break;
      done(value);
    });
    script.onerror = () => end(() => { problem(say("{file} cannot be read: it has to lie beside this page.", { file: `explore/${name}.js` })); failed(new Error(name)); });
    document.head.append(script);
  });
  waiting.set(name, promise);
  return promise;
}
function bytes(text) {
  const raw = atob(text), out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}
const TYPES = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, float32: Float32Array };
async function column(name) {
  if (!columns[name]) {
    const [number, type] = index.columns[name];
    columns[name] = new TYPES[type](bytes(await load(`column-${number}`)).buffer);
    held.delete(`column-${number}`);
  }
  return columns[name];
}
let names; // as they are compared: a filter by text needs all, and nothing else does
const folded = (text) => text.normalize("NFC").toLowerCase();
function searched() {
  names ??= load("ids").then((ids) => { held.delete("ids"); return ids.map(folded); }).catch((error) => { names = null; throw error; });
  return names;
}
async function holding(text) {
  if (!text) return null;
  const all = await searched(), part = folded(text);
  return (row) => all[row].includes(part);
}
const slice = (row) => load(`rows-${String(Math.floor(row / index.slice)).padStart(5, "0")}`);
function problem(text) { $("problem").textContent = text; $("problem").hidden = false; }

// The state and the address.
function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(Object.entries(DEFAULTS).map(([key, value]) => [key, given.get(key) ?? value]));
}
function address(next) {
  const kept = Object.entries(next).filter(([key, value]) => value !== DEFAULTS[key]);
  return "#" + new URLSearchParams(kept).toString();
}
function go(changes, { replace = false } = {}) {
  const next = address({ ...state, ...changes });
  if (next === (location.hash || "#")) return;
  if (replace) location.replace(next); else location.hash = next; // either fires hashchange
}
function fill(name, options) {
  for (const [value, text] of options) form.elements[name].append(new Option(text, value));
}
function show() { // the controls say what the state is
  for (const key of FILTERS) {
    const box = form.elements[key];
    if (key === "text" && typing) continue; // what is typed is newer than the address
    box.value = state[key];
    if (box.selectedIndex < 0) { state[key] = key === "method" ? box.options[0]?.value ?? "" : DEFAULTS[key]; box.value = state[key]; }
  }
  form.elements.order.disabled = !state.sort;
  const on = new Set(state.show.split(","));
  for (const name of TOGGLES) {
    shown.elements[name].checked = on.has(name);
    document.body.classList.toggle(`no-${name}`, !on.has(name));
  }
  shown.elements.opacity.value = state.opacity;
  document.body.style.setProperty("--opacity", shown.elements.opacity.value / 100);
}

// Filter and sort.
async function sorted(key, order) {
  const name = `${key} ${order}`;
  if (!orders.has(name)) {
    const rows = Int32Array.from({ length: index.count }, (_, row) => row);
    if (key) {
      const values = await column(key), sign = order === "asc" ? 1 : -1;
      const known = rows.filter((row) => !Number.isNaN(values[row])), rest = rows.filter((row) => Number.isNaN(values[row]));
      known.sort((a, b) => sign * (values[a] - values[b]) || a - b);
      rows.set(known); rows.set(rest, known.length);
    }
    if (orders.size > 7) orders.clear();
    orders.set(name, rows);
  }
  return orders.get(name);
}
function sortKey() {
  if (!state.sort) return "";
  const key = state.sort === "confidence" ? "confidence" : `${state.method}/${state.sort}`;
  return index.columns[key] ? key : "";
}
function classesWith(cue, verdict) { // a class each: whether it has such a cell
  const ok = new Uint8Array(index.classes), code = verdict && String(index.verdicts.indexOf(verdict));
  for (const [name, cells] of Object.entries(index.cells)) {
    if (cue && name !== cue) continue;
    for (let i = 0; i < cells.length; i++) if (cells[i] !== "." && (!code || cells[i] === code)) ok[i] = 1;
  }
  return ok;
}
function carriersOf(cue) {
  const ok = new Uint8Array(index.count);
  for (const [name, rows] of Object.entries(carriers)) if (!cue || name === cue) for (const row of rows) ok[row] = 1;
  return ok;
}
async function filtered() {
  const order = await sorted(sortKey(), state.order), is = await holding(state.text), of = columns;
  const cls = state.class ? index.names.indexOf(state.class) : -1;
  const classes = state.verdict || (state.cue && !state.carrier) ? classesWith(state.cue, state.verdict) : null;
  const carry = state.carrier ? carriersOf(state.cue) : null, carries = state.carrier === "yes" ? 1 : 0;
  const number = index.reasons.findIndex(([reason]) => reason === state.reason);
  const bit = number >= 0 ? 1 << number : 0xffff, flag = state.reason && state.reason !== "none";
  const right = { right: 1, wrong: 0 }[state.right];
  return order.filter((row) =>
    (!is || is(row)) &&
    (cls < 0 || of.class[row] === cls) && (!classes || classes[of.class[row]]) &&
    (!carry || carry[row] === carries) &&
    (!state.reason || ((of.reasons[row] & bit) !== 0) === flag) &&
    (right === undefined || of.right[row] === right));
}
let turn = 0;
async function apply() {
  const mine = ++turn, next = await filtered();
  if (mine !== turn) return; // a later change was faster
  found = next;
  active = Math.min(active, Math.max(0, found.length - 1));
  for (const row of drawn.values()) row.remove();
  drawn.clear();
  measure();
  const most = Math.min(found.length, layout.most * layout.across);
  const group = (n) => n.toLocaleString("en").replaceAll(",", "\u202f");
  const counts = { number: group(found.length), total: group(index.count) };
  $("count").textContent = (index.what === "decisions" ? say("{number} of {total} decisions", counts) : say("{number} of {total} photos", counts)) + (most < found.length ? say(", the first {number} are listed", { number: group(most) }) : "");
  render();
}

// The grid: only the rows in view, and the one with the focus, are in the document.
function measure() {
  const width = grid.clientWidth, narrow = width < 640;
  const across = Math.max(2, Math.floor((width + GAP) / ((narrow ? 130 : 178) + GAP)));
  const tile = (width - GAP * (across - 1)) / across * index.tile[1] / index.tile[0], tall = Math.round(tile + WORDS + GAP);
  layout = { across, tile, tall, most: Math.floor(TALLEST / tall) };
  const rows = Math.min(layout.most, Math.ceil(found.length / across));
  layout.rows = rows;
  grid.style.height = `${rows * tall}px`;
  grid.setAttribute("aria-rowcount", rows);
  grid.setAttribute("aria-colcount", across);
}
function render() {
  const top = -grid.getBoundingClientRect().top;
  const first = Math.max(0, Math.floor(top / layout.tall) - 1), last = Math.min(layout.rows - 1, Math.ceil((top + innerHeight) / layout.tall));
  const wanted = new Set([Math.floor(active / layout.across)].filter((row) => row < layout.rows));
  for (let row = first; row <= last; row++) wanted.add(row);
  for (const [row, node] of drawn) if (!wanted.has(row)) { node.remove(); drawn.delete(row); }
  for (const row of [...wanted].sort((a, b) => a - b)) {
    if (drawn.has(row)) continue;
    const node = line(row), after = [...drawn.keys()].filter((other) => other > row).sort((a, b) => a - b)[0];
    grid.insertBefore(node, drawn.get(after) ?? null); // in reading order
    drawn.set(row, node);
  }
}
function line(number) {
  const node = el("div", { role: "row", "aria-rowindex": number + 1 });
  node.style.top = `${number * layout.tall}px`;
  node.style.gridTemplateColumns = `repeat(${layout.across}, minmax(0, 1fr))`;
  for (let i = number * layout.across; i < Math.min((number + 1) * layout.across, found.length); i++) node.append(card(i));
  return node;
}
function card(place) {
  const row = found[place], words = [el("p"), el("p"), el("p")];
  const node = el("div", { role: "gridcell", class: "photo", tabindex: place === active ? 0 : -1, "aria-colindex": place % layout.across + 1 }, picture(row, state.method), ...words);
  node.dataset.place = place;
  const key = sortKey();
  one(row).then((photo) => {
    words[0].textContent = photo.headline;
    words[0].classList.toggle("wrong", photo.right === 0);
    words[1].append(el("bdi", {}, photo.id));
    if (key) words[2].textContent = `${index.measured[state.sort]} ${number(columns[key][row])}`;
    node.setAttribute("aria-label", `${photo.id}: ${photo.headline}${photo.right === 0 ? say(", wrong") : ""}${key ? `, ${words[2].textContent}` : ""}`);
    node.title = photo.id;
  }).catch(() => {});
  return node;
}
async function one(row) { // a photo with its words
  const all = await slice(row), at = row % index.slice, cls = index.names[all.class[at]], label = index.names[all.label[at]], pred = index.names[all.pred[at]];
  const sure = all.confidence[at] === null ? "" : ` ${Math.round(100 * all.confidence[at])}%`, right = columns.right[row];
  const headline = pred === undefined ? label : right === 1 ? label + sure : `${label} → ${pred}${sure}`;
  return { row, at, all, id: all.ids[at], cls, pred, right, headline };
}
function picture(row, method) { // photo, heatmap and mask, one over the other
  const [wide, tall, side] = index.tile, node = el("div", { class: "tile" });
  node.style.aspectRatio = `${wide} / ${tall}`;
  const place = pictured.get(row);
  if (!place) { node.classList.add("none"); return node; }
  const [name, at] = place, photo = el("i"), x = at % side, y = Math.floor(at / side);
  photo.style.backgroundImage = `url("explore/${name}.jpg")`;
  photo.style.backgroundSize = `${100 * side}% ${100 * side}%`;
  photo.style.backgroundPosition = `${100 * x / (side - 1)}% ${100 * y / (side - 1)}%`;
  node.append(photo);
  load(name).then((sheet) => {
    if (!sheet.drawn[at]) node.classList.add("none");
    if (sheet.masks[at]) node.append(outline(bytes(sheet.masks[at])));
    const heat = method && sheet.heat[method]?.[at];
    if (heat) photo.after(painted(heat));
  }).catch(() => {});
  return node;
}
function canvas(width, height, name, pixel) {
  const node = el("canvas", { class: name }), image = new ImageData(width, height);
  node.width = width; node.height = height;
  for (let i = 0; i < width * height; i++) pixel(i, image.data, 4 * i);
  node.getContext("2d").putImageData(image, 0, 0);
  return node;
}
function painted([height, width, text]) { // weak relevance does not veil the photo
  const level = bytes(text);
  return canvas(width, height, "heat", (i, data, to) => {
    for (let c = 0; c < 3; c++) data[to + c] = colours[3 * level[i] + c];
    data[to + 3] = 255 * (level[i] / 255) ** 1.3;
  });
}
function outline(bits) { // the object's edge: light within, dark without
  const [width, height] = index.mask, inside = (x, y) => {
    if (x < 0 || y < 0 || x >= width || y >= height) return null;
    const i = y * width + x;
    return (bits[i >> 3] >> (7 - (i & 7))) & 1;
  };
  return canvas(width, height, "mask", (i, data, to) => {
    const x = i % width, y = Math.floor(i / width), own = inside(x, y);
    const edge = [[1, 0], [-1, 0], [0, 1], [0, -1]].some(([dx, dy]) => inside(x + dx, y + dy) === 1 - own);
    data[to] = data[to + 1] = data[to + 2] = own ? 250 : 20;
    data[to + 3] = edge ? 255 : 0;
  });
}

// One photo.
async function rowOf(id) { // by halving: ids are in the order of JavaScript's <
  let low = 0, high = index.first.length;
  while (low < high) { const mid = (low + high) >> 1; if (index.first[mid] <= id) low = mid + 1; else high = mid; }
  if (!low) return -1;
  const at = (await slice((low - 1) * index.slice)).ids.indexOf(id);
  return at < 0 ? -1 : (low - 1) * index.slice + at;
}
let asked = "";
async function open() {
  asked = state.photo;
  if (!state.photo) { if (detail.open) detail.close(); return; }
  const id = state.photo, row = await rowOf(id);
  if (asked !== id) return;
  if (row < 0) { problem(say("There is no photo {id} in this audit.", { id })); return; }
  const photo = await one(row), place = found.indexOf(row), pairs = photo.all.pairs[photo.at] ?? [];
  const donors = await Promise.all(pairs.map((pair) => Promise.all([pair[5], pair[6]].map((donor) => typeof donor === "number" ? one(donor) : { id: donor }))));
  if (asked !== id) return;
  if (place >= 0) active = place;
  const step = (by, text) => {
    const next = found[place + by], button = el("button", { type: "button" }, text);
    button.disabled = place < 0 || next === undefined;
    button.dataset.by = by;
    button.onclick = () => to(next);
    return button;
  };
  const close = el("button", { type: "button" }, say("Close"));
  close.onclick = () => detail.close();
  const had = document.activeElement?.dataset?.by;
  detail.replaceChildren(
    el("div", { class: "top" }, el("h2", { id: "detail-title" }, named(photo.id)), step(-1, say("← Before")), step(1, say("After →")), close, shown),
    el("p", { class: "reading" }, el("b", { class: photo.right === 0 ? "wrong" : "" }, photo.headline), said(photo)),
    el("div", { class: "side" }, ...sides(row)), ...pairsOf(pairs, donors), el("div", { class: "tables" }, ...flags(photo), ...cells(photo), numbers(photo)));
  if (!detail.open) detail.showModal();
  detail.scrollTop = 0;
  (had && detail.querySelector(`[data-by="${had}"]:enabled`) || close).focus();
}
async function to(row) { if (row !== undefined) go({ photo: (await one(row)).id }, { replace: true }); }
const said = (photo) => `${{ 0: say(" · wrong"), 1: say(" · right") }[photo.right] ?? ""}${pictured.has(photo.row) ? say(" · shown as the model sees it") : ""}`;
function sides(row) {
  const figures = Object.keys(index.kinds).map((method) => el("figure", {}, picture(row, method), el("figcaption", {}, `${method} · ${index.kinds[method]}`)));
  return [el("figure", {}, picture(row, ""), el("figcaption", {}, say("photo"))), ...figures];
}
function pairsOf(pairs, donors) {
  if (!pairs.length) return [];
  const questions = { reliance: say("reliance"), pull: say("pull"), carrier_pull: say("carrier pull"), whole: say("whole"), screening: say("screening") };
  const blocks = pairs.map(([cue, cls, question, p, q], n) => {
    const figure = (photo, text) => el("figure", {}, photo.row === undefined ? el("div", { class: "tile none" }) : picture(photo.row, ""), el("figcaption", {}, text, el("br"), named(photo.id ?? "")));
    const [own, other] = donors[n], cueWords = index.cues[cue] ?? cue;
    const told = { name: cls, first: number(p), cue: cueWords, second: number(q), question: questions[question] ?? question };
    return el("div", {}, el("p", { class: "reading" }, el("b", {}, cueWords), cue === "all" ? say(" · probability of {name}: {first} with all cues of the first donor, {second} with those of the second ({question})", told) : say(" · probability of {name}: {first} with the {cue} of the first donor, {second} with that of the second ({question})", told)),
      el("div", { class: "side donors" }, figure(own, say("donor with")), figure(other, say("donor without"))));
  });
  return [el("section", { class: "donors" }, el("h3", {}, say("Transplants into this photo")), el("div", { class: "pairs" }, ...blocks))];
}
function cells(photo) {
  const [before, after] = say("Cues of {name}").split("{name}");
  const at = photo.all.class[photo.at], carries = photo.all.carries[photo.at] ?? [];
  const rows = Object.entries(index.cells).filter(([, codes]) => codes[at] !== ".").map(([cue, codes]) => {
    const verdict = index.verdicts[codes[at]], own = carries.find(([name]) => name === cue);
    return [index.cues[cue], el("span", { class: `v ${verdict}` }, say(verdict)), own ? say("carries it, sure {sure}, effect {effect}", { sure: number(own[1]), effect: number(own[2]) }) : ""];
  });
  return rows.length ? [el("section", {}, el("h3", {}, before, el("bdi", {}, photo.cls), after), table([say("cue"), say("verdict"), say("this photo")], rows, "words"))] : [];
}
function flags(photo) {
  const rows = (photo.all.flags[photo.at] ?? []).map(([reason, method, ...values]) => [index.reasons.find(([name]) => name === reason)?.[1] ?? reason, method ?? "", ...values.map(number)]);
  return rows.length ? [el("section", {}, el("h3", {}, say("Flagged")), table([say("reason"), say("method"), say("value"), say("class median"), say("spreads away")], rows))] : [];
}
function numbers(photo) {
  const rows = Object.entries(index.measured).filter(([score]) => score !== "confidence").map(([, words], n) => [words, ...photo.all.values.map((scores) => number(scores[n][photo.at]))]);
  const some = rows.filter((row) => row.slice(1).some((text) => text !== "–"));
  return el("section", {}, el("h3", {}, say("All numbers")), table(["", ...index.sets.map((set) => set.join(" · "))], some));
}
function table(heads, rows, style = "") {
  const cell = (tag, value, more = {}) => el(tag, more, value);
  return el("div", { class: "wide", tabindex: 0, role: "region", "aria-label": say("Table") }, el("table", { class: style }, el("thead", {}, el("tr", {}, ...heads.map((text) => cell(text ? "th" : "td", text, text ? { scope: "col" } : {})))),
    el("tbody", {}, ...rows.map(([head, ...rest]) => el("tr", {}, cell("th", head, { scope: "row" }), ...rest.map((value) => cell("td", value)))))));
}
function named(id) { // a long name breaks where people would break it
  const node = el("bdi");
  for (const part of id.split(/(?<=[/_.-])/)) node.append(part, el("wbr"));
  return node;
}
function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  return Number.isInteger(value) ? String(value) : Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5 ? value.toFixed(3) : value.toExponential(2);
}
function el(tag, attributes = {}, ...children) { // text is text: no name becomes markup
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) if (value !== "") node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// What is done with mouse and keyboard.
function focus(place) {
  const old = active;
  active = Math.max(0, Math.min(place, Math.min(found.length, layout.rows * layout.across) - 1));
  const top = Math.floor(active / layout.across) * layout.tall + grid.getBoundingClientRect().top, bar = document.querySelector(".status").getBoundingClientRect();
  const above = getComputedStyle(document.querySelector(".status")).position === "sticky" ? bar.height + 8 : 8;
  if (top < above) scrollBy(0, top - above); else if (top + layout.tall > innerHeight) scrollBy(0, top + layout.tall - innerHeight);
  render();
  for (const at of [old, active]) grid.querySelector(`[data-place="${at}"]`)?.setAttribute("tabindex", at === active ? 0 : -1);
  grid.querySelector(`[data-place="${active}"]`)?.focus({ preventScroll: true });
}
function pressed(event) {
  const page = layout.across * Math.max(1, Math.floor(innerHeight / layout.tall) - 1);
  const moves = { ArrowLeft: active - 1, ArrowRight: active + 1, ArrowUp: active - layout.across, ArrowDown: active + layout.across, PageUp: active - page, PageDown: active + page, Home: 0, End: found.length - 1 };
  if (event.key in moves) focus(moves[event.key]); else if (event.key === "Enter" || event.key === " ") to2(active); else return;
  event.preventDefault();
}
async function to2(place) { if (found[place] !== undefined) { active = place; go({ photo: (await one(found[place])).id }); } }
let typing = 0; // a timer while somebody types
function typed() { // a search is one step back, however many letters it has
  clearTimeout(typing);
  typing = 0;
  const text = form.elements.text.value;
  go({ text }, { replace: Boolean(state.text && text) });
}
function listen() {
  form.addEventListener("change", (event) => { if (event.target.name === "text") typed(); else go(Object.fromEntries(FILTERS.map((key) => [key, form.elements[key].value]))); });
  form.elements.text.addEventListener("input", (event) => { clearTimeout(typing); if (!event.isComposing) typing = setTimeout(typed, 150); });
  form.elements.text.addEventListener("compositionend", typed);
  form.elements.text.addEventListener("focus", () => searched().catch(() => {})); // before the first letter
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => { event.preventDefault(); clearTimeout(typing); typing = 0; form.elements.text.value = ""; go(Object.fromEntries(FILTERS.map((key) => [key, DEFAULTS[key]]))); });
  shown.addEventListener("change", () => go({ show: TOGGLES.filter((name) => shown.elements[name].checked).join(",") }, { replace: true }));
  shown.elements.opacity.addEventListener("input", () => go({ opacity: shown.elements.opacity.value }, { replace: true }));
  grid.addEventListener("keydown", pressed);
  grid.addEventListener("click", (event) => { const node = event.target.closest(".photo"); if (node) { focus(Number(node.dataset.place)); to2(active); } });
  detail.addEventListener("close", () => { home.after(shown); go({ photo: "" }, { replace: true }); state.photo = asked = ""; focus(active); });
  detail.addEventListener("keydown", (event) => {
    if (event.target.matches("input, .wide") || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    detail.querySelector(`[data-by="${event.key === "ArrowLeft" ? -1 : 1}"]`).click();
    event.preventDefault();
  });
  $("help-button").onclick = () => $("help").showModal();
  addEventListener("keydown", (event) => { if (event.key === "?" && event.target.name !== "text" && !$("help").open) $("help").showModal(); });
  addEventListener("hashchange", changed);
  addEventListener("scroll", () => requestAnimationFrame(render), { passive: true });
  let width = 0;
  new ResizeObserver(() => { if (grid.clientWidth !== width) { width = grid.clientWidth; apply(); } }).observe(grid);
}
async function changed() {
  const before = state;
  $("problem").hidden = true;
  state = read();
  show();
  if (FILTERS.some((key) => state[key] !== before[key])) { active = 0; await apply(); }
  if (state.photo !== before.photo || state.photo && !detail.open) await open();
}
const home = $("count");
async function start() {
  index = await load("index", String(Date.now()));
  held.delete("index");
  if (!index.count) return;
  colours = bytes(index.colours);
  for (const [name, rows] of index.sheets) rows.forEach((row, at) => pictured.set(row, [name, at]));
  fill("class", index.names.slice(0, index.classes).map((name) => [name, name]));
  fill("cue", Object.entries(index.cues));
  fill("verdict", index.verdicts.map((verdict) => [verdict, say(verdict)]));
  fill("reason", index.reasons.map(([reason, words]) => [reason, words.toLowerCase()]));
  fill("method", Object.keys(index.kinds).map((method) => [method, `${method} · ${index.kinds[method]}`]));
  const scores = new Set(Object.keys(index.columns).map((key) => key.split("/").at(-1)));
  fill("sort", Object.entries(index.measured).filter(([score]) => scores.has(score)));
  if (matchMedia("(max-width: 46rem)").matches) $("filters").open = false;
  [carriers] = await Promise.all([load("carriers"), column("class"), column("right"), column("reasons")]);
  state = read();
  $("app").hidden = false;
  show();
  listen();
  await apply();
  document.documentElement.dataset.ready = Math.round(performance.now());
  await open();
}
start().catch((error) => { if (!index) problem(say("The data of this page cannot be read: the folder explore has to lie beside it.")); throw error; });
})();
