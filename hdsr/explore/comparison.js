// Before and after under one divider, and a lens. See Comparison in widgets.py.
const PANE_PX = 132;
const MARGIN_PX = 20;
const STEP = 0.02;
const LENS_STEP_PX = 4;
const GRAB_PX = 24;
const HIGHEST_PX = 660;
const NARROWEST_PX = 280;

function element(kind, name, parent) {
  const made = document.createElement(kind);
  made.className = name;
  parent.append(made);
  return made;
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

function render({ model, el }) {
  el.classList.add("hdsr-comparison");
  const stage = element("div", "hdsr-stage", el);
  stage.setAttribute("role", "group");
  const after = element("img", "hdsr-after", stage);
  const before = element("img", "hdsr-before", stage);
  const names = [element("span", "hdsr-name hdsr-left", stage), element("span", "hdsr-name hdsr-right", stage)];
  const handle = element("div", "hdsr-divider", stage);
  element("span", "hdsr-grip", handle).textContent = "◂ ▸";
  const frame = element("div", "hdsr-place", stage);
  const lens = element("div", "hdsr-lens", stage);
  const hint = element("p", "hdsr-note", el);
  hint.textContent =
    "Drag the divider, or focus it and use the arrow keys; the lens follows the pointer (keyboard: Shift and arrows).";
  handle.tabIndex = 0;
  handle.setAttribute("role", "slider");
  handle.setAttribute("aria-valuemin", "0");
  handle.setAttribute("aria-valuemax", "100");
  handle.dataset.lmSuppressShortcuts = "true";
  for (const picture of [before, after]) picture.draggable = false;

  let addresses = [];
  let place = null;
  let dragging = false;

  function showPictures() {
    const pictures = model.get("pictures");
    const old = addresses;
    addresses = pictures.map(({ png }) => URL.createObjectURL(new Blob([png], { type: "image/png" })));
    if (addresses.length < 2) return;
    [before.src, after.src] = addresses;
    const [first, second] = pictures.map(({ name }) => name);
    [before.alt, after.alt] = [first, second];
    [names[0].textContent, names[1].textContent] = [first, second];
    handle.setAttribute("aria-label", `Divider between ${first} on the left and ${second} on the right`);
    lens.replaceChildren();
    addresses.forEach((address, index) => {
      const pane = element("div", "hdsr-pane", lens);
      pane.style.backgroundImage = `url(${address})`;
      element("span", "", pane).textContent = pictures[index].name;
    });
    showLens();
    for (const address of old) URL.revokeObjectURL(address);
  }

  function showDescription() {
    stage.setAttribute("aria-label", model.get("description"));
  }

  function showDivider() {
    const share = clamp(model.get("divider"), 0, 1);
    before.style.clipPath = `inset(0 ${100 * (1 - share)}% 0 0)`;
    handle.style.left = `${100 * share}%`;
    handle.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    handle.setAttribute("aria-valuetext", `${Math.round(100 * share)} percent from the left`);
  }

  // place: what the lens looks at, in pixels of the picture, or null.
  function showLens() {
    const hidden = place === null || !after.naturalWidth;
    lens.hidden = frame.hidden = hidden;
    if (hidden) return;
    const zoom = model.get("zoom");
    const box = stage.getBoundingClientRect();
    const screen = box.width / after.naturalWidth;
    const [x, y] = [place.x * screen, place.y * screen];
    const pane = Math.min(PANE_PX, (box.width - MARGIN_PX) / lens.children.length);
    const side = (pane / zoom) * screen;
    Object.assign(frame.style, { left: `${x - side / 2}px`, top: `${y - side / 2}px`, width: `${side}px`, height: `${side}px` });
    for (const { style } of lens.children) {
      style.width = style.height = `${pane}px`;
      style.backgroundSize = `${after.naturalWidth * zoom}px ${after.naturalHeight * zoom}px`;
      style.backgroundPosition = `${pane / 2 - place.x * zoom}px ${pane / 2 - place.y * zoom}px`;
    }
    const [width, height] = [lens.offsetWidth, lens.offsetHeight];
    const gap = side / 2 + 12;
    const below = y + gap + height <= box.height || y - gap - height < 0;
    lens.style.left = `${clamp(x - width / 2, 4, Math.max(4, box.width - width - 4))}px`;
    lens.style.top = `${below ? y + gap : y - gap - height}px`;
  }

  function moveDivider(share) {
    model.set("divider", clamp(share, 0, 1));
    model.save_changes();
  }

  function follow(event) {
    const box = stage.getBoundingClientRect();
    const share = { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
    if (dragging) {
      moveDivider(share.x);
      place = null;
    } else {
      const inside = share.x >= 0 && share.x <= 1 && share.y >= 0 && share.y <= 1;
      place = inside ? { x: share.x * after.naturalWidth, y: share.y * after.naturalHeight } : null;
    }
    showLens();
  }

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const box = stage.getBoundingClientRect();
    const distance = Math.abs(event.clientX - box.left - model.get("divider") * box.width);
    dragging = distance <= GRAB_PX;
    stage.setPointerCapture(event.pointerId);
    if (dragging) handle.focus({ preventScroll: true });
    event.preventDefault();
    follow(event);
  });
  stage.addEventListener("pointermove", follow);
  for (const end of ["pointerup", "pointercancel"]) {
    stage.addEventListener(end, (event) => {
      dragging = false;
      if (event.pointerType !== "mouse") return; // the lens stays where a finger has left it
      follow(event);
    });
  }
  stage.addEventListener("pointerleave", (event) => {
    if (event.pointerType !== "mouse" || dragging) return;
    place = null;
    showLens();
  });

  const AXES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  handle.addEventListener("keydown", (event) => {
    const share = model.get("divider");
    const [x, y] = AXES[event.key] ?? [0, 0];
    if (event.key === "Escape") {
      place = null;
    } else if (event.shiftKey && (x || y)) {
      place ??= { x: share * after.naturalWidth, y: after.naturalHeight / 2 };
      place.x = clamp(place.x + LENS_STEP_PX * x, 0, after.naturalWidth);
      place.y = clamp(place.y + LENS_STEP_PX * y, 0, after.naturalHeight);
    } else if (x || y) {
      moveDivider(share + STEP * (x || -y));
    } else if (event.key === "Home" || event.key === "End") {
      moveDivider(event.key === "Home" ? 0 : 1);
    } else if (event.key === "PageUp" || event.key === "PageDown") {
      moveDivider(share + (event.key === "PageUp" ? 5 : -5) * STEP);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    showLens();
  });

  const shown = [
    ["change:pictures", showPictures],
    ["change:description", showDescription],
    ["change:divider", showDivider],
    ["change:zoom", showLens],
  ];
  for (const [change, show] of shown) {
    model.on(change, show);
    show();
  }
  after.addEventListener("load", () => {
    const widest = (HIGHEST_PX * after.naturalWidth) / after.naturalHeight;
    stage.style.maxWidth = `${Math.max(widest, NARROWEST_PX)}px`;
    showLens();
  });
  return () => {
    for (const [change, show] of shown) model.off(change, show);
    for (const address of addresses) URL.revokeObjectURL(address);
  };
}

export default { render };
