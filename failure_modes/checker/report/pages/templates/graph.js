"use strict";
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const inspector = document.querySelector(".inspector");
  const fold = document.querySelector(".fold");
  const edges = all(".edges path");
  let chosen = null;

  function show(open) {
    inspector.classList.toggle("closed", !open);
    fold.setAttribute("aria-expanded", String(open));
    fold.textContent = open ? "hide" : "show";
    document.documentElement.style.setProperty("--inspector", inspector.offsetHeight + "px");
  }

  function choose(node, focus) {
    if (!node) return;
    if (chosen) {
      chosen.classList.remove("chosen");
      chosen.setAttribute("tabindex", "-1");
      document.getElementById("d-" + chosen.id).hidden = true;
    }
    chosen = node;
    node.classList.add("chosen");
    node.setAttribute("tabindex", "0");
    document.getElementById("d-" + node.id).hidden = false;
    edges.forEach((edge) => {
      edge.classList.toggle("near", edge.dataset.from === node.id || edge.dataset.to === node.id);
    });
    show(true);
    if (focus) { node.focus({ preventScroll: true }); node.scrollIntoView({ block: "nearest", inline: "nearest" }); }
  }

  const linked = (mine, other) => edges.filter((edge) => edge.dataset[mine] === chosen.id)
    .map((edge) => document.getElementById(edge.dataset[other]));
  const y = (node) => Number(node.getAttribute("cy"));
  const x = (node) => Number(node.getAttribute("cx"));

  function beside(way) {
    const layer = all("circle", chosen.parentNode).filter((node) => y(node) === y(chosen)).sort((a, b) => x(a) - x(b));
    return layer[layer.indexOf(chosen) + way];
  }

  const best = (nodes) => nodes.find((node) => node.classList.contains("on")) || nodes[0];
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !chosen) return;
    const moves = {
      ArrowDown: () => choose(best(linked("from", "to").filter((node) => y(node) > y(chosen))), true),
      ArrowUp: () => choose(best(linked("to", "from").filter((node) => y(node) < y(chosen))), true),
      ArrowRight: () => choose(beside(1), true),
      ArrowLeft: () => choose(beside(-1), true),
      Escape: () => show(false),
      Enter: () => show(true),
    };
    if (event.target.tagName === "BUTTON" || !moves[event.key]) return;
    event.preventDefault();
    moves[event.key]();
  });
  all(".nodes circle").forEach((node) => {
    node.addEventListener("click", () => choose(node, true));
    node.addEventListener("focus", () => { if (node !== chosen) choose(node, false); });
  });
  fold.addEventListener("click", () => show(inspector.classList.contains("closed")));
  document.body.classList.add("scripted");
  choose(document.querySelector("circle.broken.on") || document.querySelector("circle.start"), false);
})();
