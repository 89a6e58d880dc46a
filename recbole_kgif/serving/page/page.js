"use strict";

const LISTED = 10, REASONS = 3, FOUND = 8, WAIT = 150;
const choices = [];
let shown = [];
let waiting = 0, asked = 0, searched = 0;

const at = (id) => document.getElementById(id);

// An element with text, which is never read as HTML.
function make(tag, text = "", kind = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (kind) element.className = kind;
  return element;
}

const label = (item) => item.name || `item ${item.item_id}`;
const signed = (value) => (value < 0 ? "\u2212" : "+") + Math.abs(value).toFixed(2);

async function answerOf(address, body) {
  const options = body && {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Error("The service does not answer. Is it running?");
  }
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error.message);
  return answer;
}

function report(error) {
  at("problem").textContent = error ? error.message : "";
  at("problem").hidden = !error;
}

async function search() {
  const text = at("search").value.trim();
  const number = ++searched;
  let items = [];
  try {
    if (text) {
      const address = `/v1/items?limit=${FOUND}&search=${encodeURIComponent(text)}`;
      items = (await answerOf(address)).items;
    }
    report(null);
  } catch (error) {
    report(error);
  }
  if (number !== searched) return;
  const rows = items.map((item) => {
    const row = make("li"), button = make("button", label(item));
    button.type = "button";
    button.addEventListener("click", () => choose(item));
    row.append(button);
    return row;
  });
  if (text && !rows.length) rows.push(make("li", "No item has this name or id.", "quiet"));
  at("found").replaceChildren(...rows);
}

function choose(item) {
  at("search").value = "";
  search();
  at("search").focus();
  if (choices.some((each) => each.item_id === item.item_id)) return;
  choices.push(item);
  update("With", item);
}

function remove(item) {
  choices.splice(choices.indexOf(item), 1);
  update("Without", item);
}

function showChoices() {
  const rows = choices.map((item) => {
    const row = make("li"), button = make("button", "Remove");
    button.type = "button";
    button.setAttribute("aria-label", `Remove ${label(item)}`);
    button.addEventListener("click", () => remove(item));
    row.append(make("span", label(item)), button);
    return row;
  });
  at("choices").replaceChildren(...rows);
  at("no-choice").hidden = choices.length > 0;
}

// Show the list for the current choices, and how it differs from the one before.
async function update(word, changed) {
  showChoices();
  const number = ++asked;
  let items = [];
  try {
    if (choices.length) {
      const body = { items: choices.map((each) => each.item_id), k: LISTED, reasons: REASONS };
      items = (await answerOf("/v1/recommendations", body)).items;
    }
    if (number === asked) report(null);
  } catch (error) {
    if (number === asked) report(error);
  }
  if (number !== asked) return;
  at("list").replaceChildren(...items.map(row));
  showChanges(word, changed, items);
  shown = items;
}

function row(item) {
  const element = make("li"), details = make("details"), summary = make("summary");
  summary.append(make("span", label(item), "name"), " ", make("span", item.score.toFixed(2), "score"));
  const change = changeOf(item);
  if (change) summary.append(" ", change);
  details.append(summary, ...reasons(item));
  element.append(details);
  return element;
}

function changeOf(item) {
  if (!shown.length) return null;
  const before = shown.find((each) => each.item_id === item.item_id);
  if (!before) return make("span", "new", "change");
  const steps = before.rank - item.rank;
  if (!steps) return null;
  return make("span", `${steps > 0 ? "\u25b2" : "\u25bc"} ${Math.abs(steps)}`, steps > 0 ? "change" : "change down");
}

function showChanges(word, changed, items) {
  const text = at("changes");
  text.hidden = !shown.length;
  if (!shown.length) return;
  const now = new Set(items.map((item) => item.item_id));
  const gone = shown.filter((item) => !now.has(item.item_id));
  const left = gone.length ? `no longer in the list: ${gone.map(label).join(", ")}.` : "all items stay in the list.";
  text.textContent = `${word} ${label(changed)}, ${left}`;
}

function reasons(item) {
  const own = item.other_items;
  const rest = [
    ["your other choices", own.count ? own.value : 0],
    ["how popular it is", item.popularity],
    ["known items with the same facts", item.new_item.predicted],
    ["that it is new", item.new_item.offset],
  ];
  const largest = Math.max(...item.reasons.map((each) => Math.abs(each.value)), ...rest.map((each) => Math.abs(each[1])), 1e-9);
  return [
    ...item.reasons.map((each) => part(`your choice ${label(each)}`, each.value, largest, inWords(each))),
    ...rest.filter((each) => each[1]).map((each) => part(each[0], each[1], largest, "")),
  ];
}

function part(text, value, largest, more) {
  const element = make("div", "", `reason ${value < 0 ? "lowers" : "raises"}`);
  const bar = make("progress");
  bar.max = largest;
  bar.value = Math.abs(value);
  bar.setAttribute("aria-hidden", "true");
  element.append(bar, " ", make("span", signed(value), "value"), ` ${text}`);
  if (more) element.append(make("small", more));
  return element;
}

// What an item and a choice have in common.
function inWords(reason) {
  const facts = reason.facts.map(factInWords);
  const n = reason.people.count;
  if (n) facts.push(n === 1 ? "one person chose both" : `${n.toLocaleString("en")} people chose both`);
  return facts.join("; ");
}

function factInWords(fact) {
  if (fact.name) return `${fact.word}: ${fact.name}`;
  const { count, best_known: known } = fact.other_items;
  if (!known) return `same ${fact.word}`;
  const more = count > 1 ? ` and ${(count - 1).toLocaleString("en")} more` : "";
  return `same ${fact.word} as ${known}${more}`;
}

at("search").addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(search, WAIT);
});
answerOf("/health").then((served) => {
  at("served").textContent = `${served.dataset}: ${served.items.toLocaleString("en")} items.`;
}, report);
