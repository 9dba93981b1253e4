"use strict";
(() => {
  const form = document.querySelector(".filter");
  const entries = [...document.querySelectorAll(".entries > li")];
  const fields = ["invariant", "policy", "store", "steps", "words"];

  function fits(entry, wanted) {
    const words = wanted.words.toLowerCase().split(/\s+/).filter(Boolean);
    const text = entry.textContent.toLowerCase();
    return ["invariant", "policy", "store"].every((name) => !wanted[name] || entry.dataset[name] === wanted[name])
      && (!wanted.steps || Number(entry.dataset.length) <= Number(wanted.steps))
      && words.every((word) => text.includes(word));
  }

  function filter() {
    const wanted = Object.fromEntries(fields.map((name) => [name, form.elements[name].value]));
    entries.forEach((entry) => { entry.hidden = !fits(entry, wanted); });
    const shown = entries.filter((entry) => !entry.hidden).length;
    form.querySelector("output").textContent = `${shown} of ${entries.length} traces`;
    document.querySelector(".nothing").hidden = shown > 0;
    const said = new URLSearchParams(Object.entries(wanted).filter(([, value]) => value));
    history.replaceState(null, "", "#" + said);
  }

  function read() {
    const said = new URLSearchParams(location.hash.slice(1));
    fields.forEach((name) => { form.elements[name].value = said.get(name) || ""; });
    filter();
  }

  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  window.addEventListener("hashchange", () => { read(); scrollTo(0, 0); });
  read();
})();
