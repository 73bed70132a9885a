// A file sent in pieces. See FileUpload in widgets.py.
function render({ model, el }) {
  el.classList.add("hdsr-upload");
  const label = document.createElement("label");
  const input = document.createElement("input");
  const words = document.createElement("span");
  input.type = "file";
  input.accept = "image/*";
  label.append(input, words);
  el.append(label);
  words.textContent = model.get("label");

  let newest = null;

  async function send(chosen) {
    const { name, size } = chosen;
    const file = `${Date.now()} ${Math.random()}`;
    newest = file;
    if (!size || size > model.get("limit_bytes")) {
      model.send({ file, name, size, offset: 0 }, undefined, []);
      return;
    }
    const step = model.get("piece_bytes");
    for (let offset = 0; offset < size; offset += step) {
      words.textContent = `${name}: ${Math.round((100 * offset) / size)} %`;
      const piece = await chosen.slice(offset, offset + step).arrayBuffer();
      if (file !== newest) return; // another file was chosen meanwhile
      model.send({ file, name, size, offset }, undefined, [piece]);
    }
    words.textContent = model.get("label");
  }

  async function sendFirst(files) {
    if (files.length) await send(files[0]);
    input.value = ""; // so that the same file can be chosen again
  }

  input.addEventListener("change", () => sendFirst(input.files));
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    label.addEventListener(kind, (event) => {
      event.preventDefault();
      event.stopPropagation();
      label.classList.toggle("hdsr-over", kind === "dragenter" || kind === "dragover");
    });
  }
  label.addEventListener("drop", (event) => sendFirst(event.dataTransfer.files));
}

export default { render };
