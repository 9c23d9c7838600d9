// Makes a labelling game of every sheet of pictures on the page. Texts are set as texts, never as markup.
(() => {
  const make = (tag, parent, texts = {}) => parent.appendChild(Object.assign(document.createElement(tag), texts));

  const median = (numbers) => {
    const sorted = [...numbers].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  };

  const ready = (game) => {
    const { names, question, variable } = JSON.parse(game.querySelector('script[type="application/json"]').textContent);
    const figures = [...game.querySelectorAll("figure")];
    const stills = game.querySelector(".medcourse-stills");
    const answers = [];  // [class, seconds] of each picture, in order
    let since = performance.now();

    game.querySelector("p").textContent = question;
    figures.forEach((figure) => figure.querySelector("figcaption").remove());
    const count = make("p", game);
    count.setAttribute("aria-live", "polite");
    game.insertBefore(count, stills);
    const buttons = make("div", game);
    const choices = names.map((textContent, label) => {
      const button = make("button", buttons, { textContent, type: "button" });
      button.addEventListener("click", () => {
        const now = performance.now();
        answers.push([label, (now - since) / 1000]);
        since = now;
        show();
      });
      return button;
    });
    const undo = make("button", buttons, { textContent: "undo", type: "button" });
    undo.addEventListener("click", () => {
      answers.pop();
      since = performance.now();
      show();
    });
    const label = make("label", game, { className: "medcourse-line" });
    make("span", label, { textContent: "Your answers, to be copied:" });
    const line = make("textarea", label, { rows: 3, readOnly: true });

    const show = () => {
      const n = answers.length;
      const done = n === figures.length;
      const all = done ? ` All answered: copy the line below into the cell of ${variable}.` : "";
      count.textContent = `${n} of ${figures.length} answered.${all}`;
      stills.replaceChildren(...(done ? [] : [figures[n]]));
      // Whoever plays by keyboard keeps their place when the button they pressed goes.
      const played = buttons.contains(document.activeElement);
      undo.hidden = n === 0;
      choices.forEach((button) => { button.hidden = done; });
      const here = document.activeElement;
      if (played && (here.hidden || !buttons.contains(here))) (done ? undo : choices[0]).focus();
      const told = answers.map(([chosen], picture) => `${picture}: ${chosen}`).join(", ");
      const took = n ? `, ${median(answers.map(([, seconds]) => seconds)).toFixed(1)} s each (median)` : "";
      line.value = `${variable} = {${told}}  # ${n} of ${figures.length} answered${took}`;
    };
    show();
  };

  for (const game of document.querySelectorAll(".medcourse-game:not([data-ready])")) {
    game.dataset.ready = "";
    ready(game);
  }
})();
