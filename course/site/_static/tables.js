// Sorts and filters the tables of a page. Without it they are whole, in the course's order.
(() => {
  const byKey = (column, sign) => (a, b) => {
    const [x, y] = [a, b].map((row) => row.cells[column].dataset.sort);
    const [m, n] = [Number(x), Number(y)];
    // What has no figure goes last, whichever way.
    if (x === "" || y === "") return (x === "") - (y === "");
    return sign * (Number.isNaN(m) || Number.isNaN(n) ? x.localeCompare(y) : m - n);
  };

  function makeSortable(table) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((each) => each.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const body = table.tBodies[0];
        body.append(...[...body.rows].sort(byKey(column, up ? 1 : -1)));
      });
    });
  }

  function makeFilter(box, table) {
    const rows = [...table.tBodies[0].rows];
    const label = document.createElement("label");
    const input = document.createElement("input");
    const count = document.createElement("output");
    let verdict = null;
    input.type = "search";
    input.id = `${table.id}-find`;
    label.htmlFor = input.id;
    label.textContent = box.dataset.search;
    const show = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        const fits = !verdict || row.querySelector(".verdict").dataset.verdict === verdict;
        row.hidden = !(fits && words.every((word) => text.includes(word)));
      }
      count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
    };
    input.addEventListener("input", show);
    const line = document.createElement("div");
    line.className = "find";
    line.append(label, input, count);
    box.prepend(line);
    for (const item of document.querySelectorAll(".verdicts li")) {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "false");
      button.append(...item.childNodes);
      item.append(button);
      button.addEventListener("click", () => {
        verdict = verdict === item.dataset.verdict ? null : item.dataset.verdict;
        for (const each of document.querySelectorAll(".verdicts li")) {
          each.firstElementChild.setAttribute("aria-pressed", String(each.dataset.verdict === verdict));
        }
        show();
      });
    }
    show();
  }

  for (const box of document.querySelectorAll(".sortable")) {
    const table = box.querySelector("table");
    makeSortable(table);
    if (box.dataset.search) makeFilter(box, table);
  }
})();
