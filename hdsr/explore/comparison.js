// Before and after under one divider, which may be zoomed into, and a lens. See Comparison in widgets.py.
const PANE_PX = 132;
const MARGIN_PX = 20;
const STEP = 0.02;
const LENS_STEP_PX = 4;
const GRAB_PX = 24;
const HIGHEST_PX = 660;
const NARROWEST_PX = 280;
const ZOOM_STEP = 1.5;
const LARGEST_PIXEL_PX = 16;
const PIXELS_SEEN_FROM_PX = 2;

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
  const after = element("img", "hdsr-after", element("div", "hdsr-whole", stage));
  const half = element("div", "hdsr-whole hdsr-before", stage);
  const before = element("img", "", half);
  const names = [element("span", "hdsr-name hdsr-left", stage), element("span", "hdsr-name hdsr-right", stage)];
  const handle = element("div", "hdsr-divider", stage);
  element("span", "hdsr-grip", handle).textContent = "◂ ▸";
  const frame = element("div", "hdsr-place", stage);
  const lens = element("div", "hdsr-lens", stage);
  const tools = element("div", "hdsr-tools", el);
  const hint = element("p", "hdsr-note", el);
  hint.textContent =
    "Drag the divider, or focus it and use the arrow keys; the lens follows the pointer (keyboard: Shift and arrows). " +
    "Zoom with the buttons, with Ctrl and the wheel, or with + and −; then drag the picture.";
  handle.tabIndex = 0;
  handle.setAttribute("role", "slider");
  handle.setAttribute("aria-valuemin", "0");
  handle.setAttribute("aria-valuemax", "100");
  handle.dataset.lmSuppressShortcuts = "true";
  for (const picture of [before, after]) picture.draggable = false;

  let addresses = [];
  let place = null;
  let sides = "";
  let dragging = false; // the divider, or "picture"
  let enlarged = 1; // times the size at which the whole image fits
  let [left, top] = [0, 0]; // of the image in the stage, in units of the stage

  function tool(text, label, act) {
    const button = element("button", "", tools);
    button.type = "button";
    button.textContent = text;
    button.setAttribute("aria-label", label);
    button.dataset.lmSuppressShortcuts = "true";
    button.addEventListener("click", act);
    return button;
  }

  tool("−", "Zoom out", () => zoomBy(1 / ZOOM_STEP));
  tool("+", "Zoom in", () => zoomBy(ZOOM_STEP));
  tool("whole image", "Show the whole image", () => zoomBy(0));
  const percent = element("output", "", tools);
  const save = element("a", "hdsr-save", tools);

  // at: what stays where it is, in units of the stage.
  function zoomBy(factor, at = lensAt() ?? { x: 0.5, y: 0.5 }) {
    const most = (LARGEST_PIXEL_PX * after.naturalWidth) / stage.clientWidth;
    const next = clamp(enlarged * factor, 1, Math.max(most, 1));
    left = at.x - ((at.x - left) * next) / enlarged;
    top = at.y - ((at.y - top) * next) / enlarged;
    enlarged = next;
    showZoom();
  }

  function lensAt() {
    if (place === null || !after.naturalWidth) return null;
    return {
      x: left + (enlarged * place.x) / after.naturalWidth,
      y: top + (enlarged * place.y) / after.naturalHeight,
    };
  }

  function showZoom() {
    [left, top] = [clamp(left, 1 - enlarged, 0), clamp(top, 1 - enlarged, 0)];
    const pixel = (enlarged * stage.clientWidth) / (after.naturalWidth || 1);
    for (const { style } of [before, after]) {
      style.transform = `translate(${100 * left}%, ${100 * top}%) scale(${enlarged})`;
      style.imageRendering = pixel >= PIXELS_SEEN_FROM_PX ? "pixelated" : "auto";
    }
    stage.classList.toggle("hdsr-zoomed", enlarged > 1);
    percent.textContent = `${Math.round(100 * pixel)} %`;
    showLens();
  }

  function showFileName() {
    save.textContent = "Save the enlarged image";
    save.download = model.get("file_name");
  }

  function showPictures() {
    const pictures = model.get("pictures");
    const old = addresses;
    addresses = pictures.map(({ png }) => URL.createObjectURL(new Blob([png], { type: "image/png" })));
    if (addresses.length < 2) return;
    [before.src, after.src] = addresses;
    save.href = addresses[1];
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
    half.style.clipPath = `inset(0 ${100 * (1 - share)}% 0 0)`;
    handle.style.left = `${100 * share}%`;
    handle.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    handle.setAttribute("aria-valuetext", `${Math.round(100 * share)} percent from the left`);
  }

  // place: what the lens looks at, in pixels of the picture, or null.
  function showLens() {
    const hidden = place === null || dragging === "picture" || !after.naturalWidth;
    lens.hidden = frame.hidden = hidden;
    if (hidden) return;
    const zoom = model.get("zoom");
    const box = stage.getBoundingClientRect();
    const screen = (enlarged * box.width) / after.naturalWidth;
    const at = lensAt();
    const [x, y] = [at.x * box.width, at.y * box.height];
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

  function shareOf(event) {
    const box = stage.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  }

  let last = null; // where the pointer was
  function follow(event) {
    const share = shareOf(event);
    if (dragging === "divider") {
      moveDivider(share.x);
      place = null;
    } else if (dragging === "picture") {
      [left, top] = [left + share.x - last.x, top + share.y - last.y];
      showZoom();
    }
    last = share;
    if (!dragging) {
      const inside = share.x >= 0 && share.x <= 1 && share.y >= 0 && share.y <= 1;
      const of = { x: (share.x - left) / enlarged, y: (share.y - top) / enlarged };
      place = inside ? { x: of.x * after.naturalWidth, y: of.y * after.naturalHeight } : null;
    }
    showLens();
  }

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    last = shareOf(event);
    const distance = Math.abs(last.x - model.get("divider")) * stage.clientWidth;
    if (distance <= GRAB_PX) dragging = "divider";
    else dragging = enlarged > 1 ? "picture" : false;
    stage.setPointerCapture(event.pointerId);
    if (dragging === "divider") handle.focus({ preventScroll: true });
    event.preventDefault();
    follow(event);
  });
  stage.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      zoomBy(event.deltaY < 0 ? ZOOM_STEP : 1 / ZOOM_STEP, shareOf(event));
    },
    { passive: false },
  );
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
    } else if (event.key === "+" || event.key === "-" || event.key === "0") {
      zoomBy({ "+": ZOOM_STEP, "-": 1 / ZOOM_STEP, 0: 0 }[event.key]);
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
    ["change:file_name", showFileName],
  ];
  for (const [change, show] of shown) {
    model.on(change, show);
    show();
  }
  after.addEventListener("load", () => {
    const found = `${after.naturalWidth} ${after.naturalHeight}`;
    if (found !== sides) place = null; // of another image
    sides = found;
    const widest = (HIGHEST_PX * after.naturalWidth) / after.naturalHeight;
    stage.style.maxWidth = `${Math.max(widest, NARROWEST_PX)}px`;
    showZoom();
  });
  const resized = new ResizeObserver(showZoom);
  resized.observe(stage);
  return () => {
    resized.disconnect();
    for (const [change, show] of shown) model.off(change, show);
    for (const address of addresses) URL.revokeObjectURL(address);
  };
}

export default { render };
