"use strict";
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const runs = document.querySelector(".runs");
  const inspector = document.querySelector(".inspector");
  const fold = document.querySelector(".fold");
  const sides = all(".run").map((run) => all(".hit", run));
  let side = 0;
  let row = -1;


  function show(open) {
    inspector.classList.toggle("closed", !open);
    fold.setAttribute("aria-expanded", String(open));
    fold.textContent = open ? "hide" : "show";
    rest();
  }

  function rest() {
    document.documentElement.style.setProperty("--inspector", inspector.offsetHeight + "px");
  }

  function choose(ofSide, ofRow, options = {}) {
    side = Math.max(0, Math.min(ofSide, sides.length - 1));
    row = Math.max(0, Math.min(ofRow, sides[side].length - 1));
    sides.forEach((hits, number) => {
      hits.forEach((hit, at) => {
        const here = at === row;
        hit.classList.toggle("chosen", here);
        hit.setAttribute("aria-pressed", String(here));
        hit.tabIndex = here && number === side ? 0 : -1;
      });
      const panel = document.querySelector(`.panel[data-side="${number}"]`);
      all(".detail", panel).forEach((detail, at) => { detail.hidden = at !== row; });
      panel.querySelector(".none").hidden = row < hits.length;
    });
    all("[data-side]").forEach((part) => {
      const here = Number(part.dataset.side) === side;
      if (part.matches(".run, .panel")) part.classList.toggle("shown", here);
      if (part.matches(".tab")) part.setAttribute("aria-pressed", String(here));
    });
    rest();
    const hit = sides[side][row];
    if (options.focus) hit.focus({ preventScroll: true });
    if (options.focus || options.scroll) hit.scrollIntoView({ block: "nearest" });
  }

  function jump(state) {
    for (const of of [side, ...sides.keys()]) {
      const at = sides[of].findIndex((hit) => hit.classList.contains(state));
      if (at >= 0) { choose(of, at, { focus: true }); return; }
    }
  }

  sides.forEach((hits, number) => hits.forEach((hit, at) => hit.addEventListener("click", () => {
    choose(number, at, { focus: true });
    show(true);
  })));
  all(".jump").forEach((button) => button.addEventListener("click", () => {
    const hit = document.getElementById(button.dataset.row);
    choose(Number(hit.dataset.side), sides[Number(hit.dataset.side)].indexOf(hit), { focus: true });
    show(true);
  }));
  all(".tab").forEach((tab) => tab.addEventListener("click", () => choose(Number(tab.dataset.side), row)));
  fold.addEventListener("click", () => show(inspector.classList.contains("closed")));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const onHit = event.target.classList.contains("hit") || event.target === document.body;
    const moves = {
      ArrowDown: () => choose(side, row + 1, { focus: true }),
      ArrowUp: () => choose(side, row - 1, { focus: true }),
      ArrowRight: () => choose(side + 1, row, { focus: true }),
      ArrowLeft: () => choose(side - 1, row, { focus: true }),
      Home: () => choose(side, 0, { focus: true }),
      End: () => choose(side, sides[side].length - 1, { focus: true }),
      Enter: () => show(true),
      " ": () => show(true),
      Escape: () => show(false),
      v: () => jump("broken"),
      d: () => jump("diverged"),
    };
    if (onHit && moves[event.key]) { event.preventDefault(); moves[event.key](); }
  });
  window.addEventListener("resize", rest);
  document.body.classList.add("scripted");
  choose(0, Number(runs.dataset.chosen) - 1, {});
  show(true);
  sides[side][row].scrollIntoView({ block: "nearest" });
})();
