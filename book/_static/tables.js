/* Tables that are sorted by a click on a column's head, and whose numbers tell the runs behind them. Without this script
   they are whole, in the order in which they were written. */
(() => {
  /* What a cell is sorted by: its first number, so that an interval counts by its lower end and "3 of 10" as 3. A cell
     without a number in a column of numbers is NaN, and comes last. */
  function value(cell) {
    const text = cell.textContent.trim().replace(/−/g, "-");
    const found = text.match(/^[[<]?\s*([+-]?\d+(?:\.\d+)?)/);
    return { text, number: found ? Number(found[1]) : NaN };
  }

  const isBlank = (text) => text === "" || text === "–";

  function order(cells) {
    const values = cells.map(value);
    const filled = values.filter(({ text }) => !isBlank(text));
    const numeric = filled.length > 0 && filled.every(({ number, text }) => !Number.isNaN(number) && !/^\d+-\d/.test(text));
    const compare = (a, b) => (numeric ? a.number - b.number : a.text.localeCompare(b.text, "en", { numeric: true }));
    return (direction) =>
      values
        .map((each, index) => ({ ...each, index }))
        .sort((a, b) => isBlank(a.text) - isBlank(b.text) || direction * compare(a, b) || a.index - b.index)
        .map(({ index }) => index);
  }

  function sortable(table) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    if (rows.length < 2 || rows.some((row) => row.cells.length !== heads.length)) return;

    function sort(column) {
      const now = heads[column].getAttribute("aria-sort");
      const next = now === "ascending" ? "descending" : now === "descending" ? null : "ascending";
      heads.forEach((head) => head.removeAttribute("aria-sort"));
      if (next) heads[column].setAttribute("aria-sort", next);
      const sorted = order(rows.map((row) => row.cells[column]))(next === "descending" ? -1 : 1);
      body.append(...(next ? sorted.map((index) => rows[index]) : rows));
    }

    heads.forEach((head, column) => {
      if (!head.textContent.trim()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "lrar-sort";
      const inside = head.querySelector(":scope > p") ?? head; // Sphinx puts a paragraph into a cell
      button.append(...inside.childNodes);
      head.replaceChildren(button);
      button.addEventListener("click", () => sort(column));
    });
  }

  function telling(element) {
    const target = element.closest("a") ?? element;
    target.dataset.tip = element.title;
    element.removeAttribute("title");
    if (!target.href) target.tabIndex = 0;
  }

  function start() {
    document.querySelectorAll("table.lrar-table").forEach((table) => {
      if (table.tHead) sortable(table);
      table.querySelectorAll("td [title]").forEach(telling);
    });
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
