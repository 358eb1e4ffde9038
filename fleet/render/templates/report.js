"use strict";
// Sorts by a click on a heading, and shows only rows with the words that are typed. Without it the page is as it is.
const MOST = 2000; // rows in view: browsers lay out tens of thousands of them for minutes
document.documentElement.classList.add("loading"); // a long table is laid out once, when it is whole
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("table")) {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    let rows = [...body.rows];
    const text = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
    const field = document.createElement("input");
    field.type = "search";
    field.placeholder = "show rows with …";
    field.setAttribute("aria-label", "Show rows with these words");
    const told = document.createElement("output");
    const draw = () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      const found = rows.filter((row) => {
        if (!words.length) return true;
        const cells = row.textContent.toLowerCase();
        return words.every((word) => cells.includes(word));
      });
      const shown = document.createDocumentFragment();
      for (const row of found.slice(0, MOST)) shown.append(row);
      body.replaceChildren(shown);
      const counts = words.length ? `${found.length} of ${rows.length} rows` : "";
      const first = found.length > MOST ? `the first ${MOST} of ${found.length} rows` : "";
      told.textContent = first || counts;
    };
    heads.forEach((head, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const numbers = head.classList.contains("n");
        const keys = rows.map((row) => [row.cells[place].textContent.trim(), row]);
        keys.sort(([a], [b]) => {
          if (a === "" || b === "") return (a === "") - (b === "");
          const order = numbers ? parseFloat(a) - parseFloat(b) : text.compare(a, b);
          return down ? -order : order;
        });
        rows = keys.map(([, row]) => row);
        draw();
      });
    });
    field.addEventListener("input", draw);
    table.before(field, told);
    if (rows.length > MOST) draw();
  }
  document.documentElement.classList.remove("loading");
});
