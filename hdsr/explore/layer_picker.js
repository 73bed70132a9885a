// Figure 1 with a button on every part. See LayerPicker in widgets.py.
function render({ model, el }) {
  el.classList.add("hdsr-picker");
  const stage = document.createElement("div");
  const picture = document.createElement("img");
  picture.alt = "";
  stage.setAttribute("role", "radiogroup");
  stage.setAttribute("aria-label", "Figure 1 of the paper: pick the part whose feature maps are shown");
  stage.dataset.lmSuppressShortcuts = "true";
  stage.append(picture);
  el.append(stage);
  let address = null;
  let buttons = [];

  function showPicture() {
    const old = address;
    address = URL.createObjectURL(new Blob([model.get("png")], { type: "image/png" }));
    picture.src = address;
    if (old) URL.revokeObjectURL(old);
  }

  function pick(name) {
    model.set("value", name);
    model.save_changes();
  }

  function showParts() {
    for (const button of buttons) button.remove();
    buttons = model.get("parts").map((part) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.part = part.name;
      button.title = part.label;
      button.setAttribute("role", "radio");
      button.setAttribute("aria-label", part.label);
      for (const side of ["left", "top", "width", "height"]) button.style[side] = `${100 * part[side]}%`;
      button.addEventListener("click", () => pick(part.name));
      stage.append(button);
      return button;
    });
    showValue();
  }

  function showValue() {
    const value = model.get("value");
    for (const button of buttons) {
      const picked = button.dataset.part === value;
      button.setAttribute("aria-checked", String(picked));
      button.tabIndex = picked ? 0 : -1;
    }
  }

  stage.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const now = buttons.findIndex((button) => button.dataset.part === model.get("value"));
    const next = buttons[(now + step + buttons.length) % buttons.length];
    pick(next.dataset.part);
    next.focus({ preventScroll: true });
  });

  const shown = [
    ["change:png", showPicture],
    ["change:parts", showParts],
    ["change:value", showValue],
  ];
  for (const [change, show] of shown) {
    model.on(change, show);
    show();
  }
  return () => {
    for (const [change, show] of shown) model.off(change, show);
    URL.revokeObjectURL(address);
  };
}

export default { render };
