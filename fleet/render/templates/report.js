"use strict";
// Sorts by a click on a heading, and shows only rows with the words that are typed. Without it the page is as it is.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const text = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  heads.forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [row.cells[place].textContent.trim(), row]);
      const numbers = head.classList.contains("n");
      rows.sort(([a], [b]) => {
        if (a === "" || b === "") return (a === "") - (b === "");
        const order = numbers ? parseFloat(a) - parseFloat(b) : text.compare(a, b);
        return down ? -order : order;
      });
      const sorted = document.createDocumentFragment();
      for (const [, row] of rows) sorted.append(row);
      body.append(sorted);
    });
  });
  const field = document.createElement("input");
  field.type = "search";
  field.placeholder = "show rows with …";
  field.setAttribute("aria-label", "Show rows with these words");
  const shown = document.createElement("output");
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of body.rows) {
      const told = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => told.includes(word));
      count += row.hidden ? 0 : 1;
    }
    shown.textContent = words.length ? `${count} of ${body.rows.length} rows` : "";
  });
  table.before(field, shown);
}
