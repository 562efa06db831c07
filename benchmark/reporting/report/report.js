"use strict";
// Tables are readable without this: it only sorts and filters them.
document.documentElement.classList.add("scripted");
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const order = [...body.rows];
  table.querySelectorAll("th").forEach((head, column) => {
    const button = document.createElement("button");
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => sortBy(table, body, order, head, column));
  });
  const input = table.closest(".table").querySelector("input");
  input?.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
}

function sortBy(table, body, order, head, column) {
  const numeric = head.classList.contains("number");
  const first = numeric ? "descending" : "ascending";
  const second = numeric ? "ascending" : "descending";
  const now = head.getAttribute("aria-sort");
  const next = now === first ? second : now === second ? null : first;
  for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
  // lines above the configurations, such as "(test images)", stay there
  const above = order.filter((row) => row.cells[0].textContent.trim().startsWith("("));
  const rows = order.filter((row) => !above.includes(row));
  if (next) {
    head.setAttribute("aria-sort", next);
    const sign = next === "ascending" ? 1 : -1;
    const value = (row) => row.cells[column].textContent.trim();
    rows.sort((a, b) => {
      if (!numeric) return sign * value(a).localeCompare(value(b));
      const [x, y] = [parseFloat(value(a).replace(/,/g, "")), parseFloat(value(b).replace(/,/g, ""))];
      if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y); // missing values are last
      return sign * (x - y);
    });
  }
  body.replaceChildren(...above, ...rows);
}
