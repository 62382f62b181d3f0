"use strict";
const FIRST = 25;
for (const tools of document.querySelectorAll(".tools")) {
  const table = document.getElementById(tools.dataset.for);
  const count = document.getElementById(`${table.id}-count`);
  const body = table.tBodies[0];
  const heads = Array.from(table.tHead.rows[0].cells);
  const texts = new Map();
  let rows = Array.from(body.rows);
  let words = [];
  let whole = rows.length <= FIRST + 5;

  const button = (text, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", () => act(made));
    return made;
  };
  const text = (row) => {
    if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
    return texts.get(row);
  };
  const show = () => {
    let found = 0;
    let shown = 0;
    for (const row of rows) {
      const fits = words.every((word) => text(row).includes(word));
      found += fits;
      row.hidden = !fits || (!whole && shown >= FIRST);
      shown += !row.hidden;
    }
    const of = words.length ? `${found} that fit the filter, of ${rows.length} rows` : `${rows.length} rows`;
    count.textContent = shown < found ? `The first ${shown} of ${of}` : words.length ? `${found} of ${rows.length} rows` : "";
  };

  const key = (row, column) => {
    const cell = row.cells[column];
    return "order" in cell.dataset ? Number(cell.dataset.order) : cell.textContent.trim();
  };
  const compare = (a, b) => {
    const numbers = (typeof a === "number") + (typeof b === "number");
    if (numbers === 2) return a - b;
    if (numbers === 1) return typeof a === "number" ? -1 : 1;
    return a.localeCompare(b, "en", { numeric: true });
  };
  heads.forEach((head, column) => {
    const nodes = [...head.childNodes];
    const sorter = button("", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const each of heads) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = rows.map((row) => [key(row, column), row]);
      rows = keyed.sort((a, b) => (down ? -1 : 1) * compare(a[0], b[0])).map((pair) => pair[1]);
      body.append(...rows);
      show();
    });
    sorter.append(...nodes);
    head.append(sorter);
  });

  if (rows.length > 8) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "search";
    label.append("Filter: ", input);
    tools.append(label);
    input.addEventListener("input", () => {
      words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      show();
    });
  }
  if (!whole) {
    tools.append(
      button(`Show all ${rows.length} rows`, (made) => {
        whole = !whole;
        made.textContent = whole ? `Show the first ${FIRST} rows` : `Show all ${rows.length} rows`;
        show();
      })
    );
  }
  if (tools.dataset.opens === "1") {
    tools.append(
      button("Open all cells", (made) => {
        const all = Array.from(table.querySelectorAll("details"));
        const open = all.some((each) => !each.open);
        for (const each of all) each.open = open;
        made.textContent = open ? "Close all cells" : "Open all cells";
      })
    );
  }
  tools.hidden = !tools.childNodes.length;
  show();
}
