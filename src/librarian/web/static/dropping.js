// Files into a folder: a form with `data-drop`, which says where uploads begin, and `data-folder`, the folder's path.
// Each file that is chosen, dropped on the page or pasted is a resumable upload to its path, with a bar of its own.
// Without this script the form sends the files itself.

import {Refused, ResumableUpload} from "./resumable.js";
import {size, span} from "./words.js";

const AT_ONCE = 2;
const MEASURED = 5000;  // milliseconds of which the rate is the mean

class Rate {
  constructor() { this.seen = []; }

  // Bytes a second, once there is something to tell it from.
  of(bytes) {
    const now = performance.now();
    this.seen = this.seen.filter(([when]) => now - when < MEASURED);
    this.seen.push([now, bytes]);
    const [[begun, before]] = this.seen;
    return now - begun < 500 ? null : (bytes - before) * 1000 / (now - begun);
  }
}

class Row {
  constructor(form, file) {
    this.form = form;
    this.file = file;
    this.rate = new Rate();
    this.item = document.createElement("li");
    this.bar = Object.assign(document.createElement("progress"), {max: 1, value: 0});
    this.bar.setAttribute("aria-label", `What has come of ${file.name}`);
    this.said = Object.assign(document.createElement("span"), {className: "quiet"});
    this.pause = this.button("Pause", () => this.pauseOrGoOn());
    this.cancel = this.button("Give up", () => this.upload.cancel());
    const name = Object.assign(document.createElement("div"), {textContent: file.name});
    this.item.append(name, this.bar, document.createElement("br"), this.said,
      document.createElement("br"), this.pause, this.cancel);
    form.querySelector(".sendings").append(this.item);
    this.upload = this.made();
    this.say("Waiting");
  }

  button(text, does) {
    const made = Object.assign(document.createElement("button"), {type: "button", textContent: text});
    made.setAttribute("aria-label", `${text}: ${this.file.name}`);
    made.addEventListener("click", does);
    return made;
  }

  made() {
    const restricted = this.form.elements.restricted;
    const hidden = restricted && (restricted.type === "hidden" || restricted.checked);
    return new ResumableUpload(this.file, new URL(this.form.dataset.drop, location.href).href, {
      headers: {"X-CSRF-Token": this.form.elements.csrf_token.value},
      metadata: {
        path: `${this.form.dataset.folder}/${this.file.name}`,
        ...(hidden ? {restricted: "true"} : {}),
      },
      onProgress: (bytes, trouble) => this.show(bytes, trouble),
    });
  }

  // Whether the file has come.
  async run() {
    try {
      await (this.file.size ? this.upload.run() : this.post());
      this.say("Done");
      return true;
    } catch (error) {
      this.say(error instanceof Refused ? error.message : String(error));
      this.said.className = "bad";
      return false;
    } finally {
      this.pause.remove();
      this.cancel.remove();
    }
  }

  // An empty file goes by the form: there is nothing in it to resume.
  async post() {
    const fields = new FormData(this.form);
    fields.set("file", this.file);
    const answer = await fetch(this.form.action, {method: "POST", body: fields, headers: {Accept: "application/json"}});
    if (answer.ok) return;
    const said = await answer.json().catch(() => ({}));
    throw new Refused(said.error || `The server answered ${answer.status}.`);
  }

  pauseOrGoOn() {
    const paused = Boolean(this.upload.paused);
    if (paused) this.upload.resume(); else this.upload.pause();
    const text = paused ? "Pause" : "Go on";
    this.pause.textContent = text;
    this.pause.setAttribute("aria-label", `${text}: ${this.file.name}`);
    this.say(paused ? "" : "Paused");
  }

  show(bytes, trouble) {
    if (this.upload.paused) return;
    const all = this.file.size;
    this.bar.value = all ? bytes / all : 1;
    const rate = this.rate.of(bytes);
    const fast = rate ? `, ${size(Math.round(rate))}/s, ${span((all - bytes) / rate)} left` : "";
    this.say(trouble || `${size(bytes)} of ${size(all)}${fast}`);
  }

  say(text) {
    this.said.textContent = text;
  }
}

class Dropping {
  constructor(form) {
    this.form = form;
    this.waiting = [];
    this.running = 0;
    this.failed = 0;
    const input = form.elements.file;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.add(input.files);
      form.reset();
    });
    for (const kind of ["dragover", "dragleave", "drop"]) {
      document.addEventListener(kind, (event) => this.dragged(kind, event));
    }
    document.addEventListener("paste", (event) => this.add(event.clipboardData.files));
    window.addEventListener("beforeunload", (event) => { if (this.running) event.preventDefault(); });
  }

  dragged(kind, event) {
    if (!event.dataTransfer || !event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    document.body.classList.toggle("dragged", kind === "dragover");
    if (kind === "drop") this.add(event.dataTransfer.files);
  }

  add(files) {
    for (const file of files) this.waiting.push(new Row(this.form, file));
    while (this.running < AT_ONCE && this.waiting.length) this.run(this.waiting.shift());
  }

  async run(row) {
    this.running += 1;
    if (!await row.run()) this.failed += 1;
    this.running -= 1;
    if (this.waiting.length) this.run(this.waiting.shift());
    else if (!this.running) this.ended();
  }

  // The list is shown anew; where something failed, its reason stays to be read.
  ended() {
    if (this.failed) {
      this.form.querySelector("output").textContent = "Not all files are here. Load the page to see those that are.";
    } else {
      location.reload();
    }
  }
}

for (const form of document.querySelectorAll("form[data-drop]")) new Dropping(form);
