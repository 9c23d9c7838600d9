// Gives every twin on the page that has none yet its controls. Texts are set as texts, never as markup.
(() => {
  const make = (tag, parent, texts = {}) => parent.appendChild(Object.assign(document.createElement(tag), texts));

  const ready = (twin) => {
    const data = JSON.parse(twin.querySelector('script[type="application/json"]').textContent);
    const stills = twin.querySelector(".medcourse-stills");
    const figures = [...stills.querySelectorAll("figure")];
    for (const figure of figures) {
      const { src, alt } = figure.querySelector("img");
      data.frames[figure.dataset.at] = { src, alt };
    }
    // One picture stays, and shows one frame after the other; pictures of a demo are of one size.
    figures.slice(1).forEach((figure) => figure.remove());
    figures[0].querySelector("figcaption").remove();
    const image = figures[0].querySelector("img");
    const start = data.knobs.map((knob) => knob.start);
    let at = [...start];

    const knobs = make("div", twin, { className: "medcourse-knobs" });
    twin.insertBefore(knobs, stills);
    const said = make("p", twin, { className: "medcourse-said" });
    const shows = data.knobs.map((knob, k) => addKnob(knobs, knob, (place, aloud) => move(k, place, aloud)));
    const list = addList(knobs, data.apart, (place) => { at = place ?? [...start]; draw(true); });

    function move(k, place, aloud = true) {
      if (data.alone) at = [...start];
      at[k] = place;
      draw(aloud);
    }

    function draw(aloud) {
      const frame = data.frames[at.join()];
      image.src = frame.src;
      image.alt = frame.alt;
      shows.forEach((show, k) => show(at[k]));
      list(at.join());
      if (aloud) said.textContent = frame.alt;
    }
    // Where pictures are files beside the page, those of a twin are fetched when somebody reaches for it.
    const fetchAll = () => { for (const { src } of Object.values(data.frames)) new Image().src = src; };
    for (const reached of ["pointerenter", "focusin"]) twin.addEventListener(reached, fetchAll, { once: true });
    // Only from now on: nobody wants to hear every picture of a page when it opens.
    draw(false);
    said.setAttribute("aria-live", "polite");
    if (data.alone) {
      const text = "One control at a time moves here, the others stand at their start; with a kernel all move together.";
      make("p", twin, { className: "medcourse-note", textContent: text });
    }
  };

  // A label that holds the value, too, would name the control anew with every move.
  const named = (control, knob) => {
    control.setAttribute("aria-label", knob.label);
    return control;
  };

  // Returns the function that shows a place.
  const addKnob = (parent, knob, moved) => {
    const row = make(knob.kind === "turn" ? "div" : "label", parent, { className: "medcourse-knob" });
    if (knob.kind === "checkbox") {
      make("span", row, { textContent: knob.label });
      const box = named(make("input", row, { type: "checkbox" }), knob);
      box.addEventListener("change", () => moved(Number(box.checked)));
      return (place) => { box.checked = place === 1; };
    }
    if (knob.kind === "select") {
      make("span", row, { textContent: knob.label });
      const select = named(make("select", row), knob);
      knob.values.forEach((textContent, value) => make("option", select, { textContent, value }));
      select.addEventListener("change", () => moved(Number(select.value)));
      return (place) => { select.value = place; };
    }
    const turn = knob.kind === "turn" ? make("button", row, { type: "button" }) : null;
    if (!turn) make("span", row, { textContent: knob.label });
    const range = named(make("input", row, { type: "range", min: 0, max: knob.values.length - 1, step: 1 }), knob);
    const value = make("output", row);
    // The slider says its value itself; said twice it would be a nuisance.
    value.setAttribute("aria-live", "off");
    if (turn) addTurning(turn, range, knob);
    // What turns by itself is not read out.
    range.addEventListener("input", (event) => moved(Number(range.value), event.isTrusted));
    return (place) => {
      range.value = place;
      range.setAttribute("aria-valuetext", knob.values[place]);
      value.textContent = knob.values[place];
    };
  };

  const addTurning = (button, range, knob) => {
    let timer = 0;
    const show = () => {
      button.textContent = timer ? "stop" : knob.label;
      button.setAttribute("aria-pressed", String(timer !== 0));
    };
    button.addEventListener("click", () => {
      if (timer) timer = clearInterval(timer) ?? 0;
      else timer = setInterval(() => {
        if (!button.isConnected) return clearInterval(timer);
        range.value = (Number(range.value) + 1) % knob.values.length;
        range.dispatchEvent(new Event("input"));
      }, 120);
      show();
    });
    show();
  };

  // Settings that no single control leads to.
  const addList = (parent, apart, chosen) => {
    if (!Object.keys(apart).length) return () => {};
    const row = make("label", parent, { className: "medcourse-knob" });
    make("span", row, { textContent: "together" });
    const select = make("select", row);
    make("option", select, { textContent: "–", value: "" });
    for (const [value, textContent] of Object.entries(apart)) make("option", select, { textContent, value });
    select.addEventListener("change", () => chosen(select.value ? select.value.split(",").map(Number) : null));
    return (place) => { select.value = place in apart ? place : ""; };
  };

  for (const twin of document.querySelectorAll(".medcourse-twin:not(.medcourse-game, [data-ready])")) {
    twin.dataset.ready = "";
    ready(twin);
  }
})();
