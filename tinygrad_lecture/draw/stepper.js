"use strict";
{
  const byId = (id) => document.getElementById(id);
  const { rows, frames } = JSON.parse(byId("data").textContent);
  const slider = byId("slider");
  const end = frames.length - 1;
  let now = 0;
  let timer = 0;

  const make = (tag, text = "", into = null) => {
    const element = document.createElement(tag);
    element.textContent = text;
    if (into) into.append(element);
    return element;
  };
  const write = (element, text) => {
    if (element && element.textContent !== text) element.textContent = text;
  };
  const is = (element, name, on) => {
    if (element) element.classList.toggle(name, on);
  };

  // The table: a row for each entry.
  for (const row of rows) {
    row.line = make("tr", "", document.querySelector("tbody"));
    const button = make("button", row.id.slice(1), make("td", "", row.line));
    button.type = "button";
    button.setAttribute("aria-label", `Go to ${row.head}`);
    [row.name, row.number, row.adjoint, row.slopes] =
      [row.head, "", "", ""].map((text) => make("td", text, row.line));
    row.node = byId(row.id);
    row.edges = [...document.querySelectorAll(`.edge[id^="${row.id}_"]`)];
    for (const element of [row.line, row.node]) {
      if (element) element.addEventListener("click", () => go(placeOf(row.id)));
    }
  }

  // Where an entry is at work in the pass that is shown; a leaf, where its sum is complete.
  function placeOf(id) {
    const back = "to" in frames[now];
    const at = frames.findIndex((frame) => frame.at === id && "to" in frame === back);
    return at >= 0 ? at : frames.findLastIndex((frame) => frame.to === id);
  }

  function go(place) {
    pause();
    show(place);
  }

  function show(place) {
    now = Math.min(Math.max(place, 0), end);
    const frame = frames[now];
    const back = "to" in frame;
    const known = new Set();
    const sums = new Map();
    for (const past of frames.slice(0, now + 1)) {
      if ("to" in past) sums.set(past.to, past.sum);
      else known.add(past.at);
    }
    for (const row of rows) {
      const there = known.has(row.id);
      const sum = sums.get(row.id);
      write(row.number, there ? row.value : "");
      write(row.slopes, there ? row.local : "");
      write(row.adjoint, sum ?? "");
      for (const element of [row.line, row.node]) {
        is(element, "here", row.id === frame.at);
        is(element, "there", row.id === frame.to && row.id !== frame.at);
      }
      if (row.id === frame.at) row.line.setAttribute("aria-current", "step");
      else row.line.removeAttribute("aria-current");
      if (row.node) {
        is(row.node, "later", !there);
        write(row.node.querySelector(".primal"), there ? row.value : "?");
        write(row.node.querySelector(".adjoint"), `∂ ${sum ?? "?"}`);
      }
      for (const edge of row.edges) {
        is(edge, "later", !there);
        is(edge, "flow", back ? edge.id === frame.edge : row.id === frame.at);
      }
    }
    explain(frame, back);
    for (const at of [frame.to, frame.at]) {
      const row = rows.find(({ id }) => id === at);
      reveal(byId("graph"), row?.node, true);
      reveal(byId("tape"), row?.line, false);
    }
  }

  // The equation of a step, for the eye and for a screen reader.
  function explain(frame, back) {
    const step = `Step ${now + 1} of ${frames.length}, ${back ? "backward" : "forward"} pass`;
    byId("now").replaceChildren();
    byId("now").className = back ? "back" : "";
    let line = null;
    let last = "";
    let said = step;
    for (const [sign, name, of, text] of frame.terms) {
      if (!sign && name !== last) line = make("dl", "", byId("now"));
      last = name;
      const term = make("div", "", line);
      make("dt", `${name} ${of}`, term);
      const shown = make("dd", "", term);
      if (sign) make("b", sign, shown);
      make("span", text, shown);
      const words = [sign, name, of && `${of}:`, text].filter(Boolean).join(" ");
      said += `${sign ? "" : "."} ${words}`;
    }
    write(byId("status"), step);
    write(byId("said"), said);
    slider.value = now;
    slider.setAttribute("aria-valuetext", step);
    for (const [id, off] of [["first", !now], ["back", !now], ["step", now === end], ["last", now === end]]) {
      byId(id).setAttribute("aria-disabled", off);
    }
  }

  // Scrolls a box, and not the page, until something in it is in sight.
  function reveal(box, element, sideways) {
    if (!element) return;
    const outer = box.getBoundingClientRect();
    const inner = element.getBoundingClientRect();
    const margin = 40;
    if (inner.top < outer.top + margin || inner.bottom > outer.bottom - margin) {
      box.scrollTop += (inner.top + inner.bottom - outer.top - outer.bottom) / 2;
    }
    if (sideways && (inner.left < outer.left || inner.right > outer.right)) {
      box.scrollLeft += (inner.left + inner.right - outer.left - outer.right) / 2;
    }
  }

  function play() {
    show(now === end ? 0 : now + 1);
    timer = setTimeout(() => (now === end ? pause() : play()), Number(byId("speed").value));
    byId("said").setAttribute("aria-live", "off"); // faster than it could be read out
    write(byId("play"), "Pause");
  }

  function pause() {
    clearTimeout(timer);
    timer = 0;
    byId("said").setAttribute("aria-live", "polite");
    write(byId("play"), "Play");
  }

  const toggle = () => (timer ? pause() : play());
  const actions = {
    first: () => go(0),
    back: () => go(now - 1),
    step: () => go(now + 1),
    last: () => go(end),
    play: toggle,
  };
  for (const [id, act] of Object.entries(actions)) byId(id).addEventListener("click", act);
  slider.max = end;
  slider.addEventListener("input", () => go(Number(slider.value)));

  const keys = { ArrowLeft: "back", ArrowRight: "step", Home: "first", End: "last", " ": "play" };
  document.addEventListener("keydown", (event) => {
    const action = keys[event.key];
    const own = event.key === " " ? "button, select" : "input, select"; // these have a use for it
    if (!action || event.ctrlKey || event.altKey || event.metaKey || event.target.closest?.(own)) return;
    event.preventDefault();
    actions[action]();
  });
  show(0);
}
