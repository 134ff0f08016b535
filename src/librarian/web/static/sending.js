// Files from a form with `data-uploads`, which says where uploads begin.  Each file that is chosen, dropped on the
// page or pasted is a resumable upload with a bar of its own.  With `data-folder` files get paths in this folder of
// the named tree, and the list is shown anew at the end; with `data-after` a file that has come is linked to its page
// (`data-after` is what stands before its id).  `data-max-size` is the most bytes that a file may have, and with
// `data-several` several are chosen at once.  Without this script the form sends the files itself.

import {Refused, ResumableUpload} from "./resumable.js";
import {size, span} from "./words.js";

const AT_ONCE = 2;
const MEASURED = 5000;  // milliseconds of which the rate is the mean
const COPIED = 2000;  // milliseconds for which a button says so

function made(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}

// Why a file is not taken, before a byte of it is sent; "" where it is.
function tooLarge(form, file) {
  const most = Number(form.dataset.maxSize || Infinity);
  return file.size > most ? `${file.name} is too large: ${size(file.size)}, and at most ${size(most)} are taken.` : "";
}

class Rate {
  constructor() { this.seen = []; }

  // Bytes a second, once there is something to tell it from.
  of(bytes) {
    const now = performance.now();
    this.seen = this.seen.filter(([when, before]) => now - when < MEASURED && before <= bytes);
    this.seen.push([now, bytes]);
    const [[begun, before]] = this.seen;
    return now - begun < 500 ? null : (bytes - before) * 1000 / (now - begun);
  }
}

class Row {
  constructor(form, file) {
    this.data = form.dataset;
    this.wrong = tooLarge(form, file);
    this.action = form.action;
    this.fields = new FormData(form);  // what is chosen now
    this.file = file;
    this.rate = new Rate();
    this.name = made("div", {textContent: file.name});
    this.bar = made("progress", {max: 1, value: 0});
    this.bar.setAttribute("aria-label", `What has come of ${file.name}`);
    this.said = made("span", {className: "quiet"});
    this.pause = this.button("Pause", () => this.pauseOrGoOn());
    this.cancel = this.button("Give up", () => this.upload.cancel());
    this.cancel.classList.add("danger");
    this.item = made("li");
    this.item.append(this.name, this.bar, made("br"), this.said, made("br"), this.pause, this.cancel);
    form.querySelector(".sendings").append(this.item);
    this.upload = this.resumable();
    this.say("Waiting");
  }

  button(text, does) {
    const button = made("button", {type: "button", textContent: text});
    button.setAttribute("aria-label", `${text}: ${this.file.name}`);
    button.addEventListener("click", does);
    return button;
  }

  resumable() {
    const token = this.fields.get("csrf_token"), expires = this.fields.get("expires");
    const {uploads, folder} = this.data;
    return new ResumableUpload(this.file, new URL(uploads, location.href).href, {
      headers: {...(token ? {"X-CSRF-Token": token} : {}), ...(expires ? {"Librarian-Expires": expires} : {})},
      metadata: {
        ...(folder === undefined ? {} : {path: `${folder}/${this.file.name}`}),
        ...(this.fields.get("restricted") ? {restricted: "true"} : {}),
      },
      onProgress: (bytes, trouble) => this.show(bytes, trouble),
    });
  }

  // Whether the file has come.
  async run() {
    this.running = true;
    try {
      if (this.wrong) throw new Refused(this.wrong);
      this.arrived(await (this.file.size ? this.upload.run() : this.post()));
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
    this.fields.set("file", this.file);
    const answer = await fetch(this.action, {method: "POST", body: this.fields, headers: {Accept: "application/json"}});
    const said = await answer.json().catch(() => ({}));
    if (answer.ok) return said;
    throw new Refused(said.error || `The server answered ${answer.status}.`);
  }

  arrived(file) {
    this.bar.value = 1;
    const {after, folder} = this.data;
    if (after !== undefined) {
      this.name.replaceChildren(made("a", {href: `${after}${file.id}/+about`, textContent: file.filename}));
      if (file.url && !file.restricted && navigator.clipboard) this.item.append(this.copying(file.url));
    }
    const thanks = after === undefined && folder === undefined;
    this.say(thanks ? `Thank you: ${file.filename} has come, ${size(this.file.size)}.` : `Done, ${size(this.file.size)}`);
  }

  copying(url) {
    const button = this.button("Copy link", async () => {
      await navigator.clipboard.writeText(url);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy link"; }, COPIED);
    });
    return button;
  }

  pauseOrGoOn() {
    const paused = Boolean(this.upload.paused);
    if (paused) this.upload.resume(); else this.upload.pause();
    const text = paused ? "Pause" : "Go on";
    this.pause.textContent = text;
    this.pause.setAttribute("aria-label", `${text}: ${this.file.name}`);
    if (!paused) this.say("Paused");
    else if (!this.running) this.say("Waiting");
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

class Sending {
  constructor(form) {
    this.form = form;
    this.waiting = [];
    this.running = 0;
    this.failed = 0;
    const input = form.elements.file;
    if ("several" in form.dataset) input.multiple = true;
    input.addEventListener("change", () => {
      const reasons = [...input.files].map((file) => tooLarge(form, file));
      form.querySelector("output").textContent = reasons.filter(Boolean).join(" ");
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.add(input.files);
      input.value = "";
    });
    for (const kind of ["dragover", "dragleave", "drop"]) {
      document.addEventListener(kind, (event) => this.dragged(kind, event));
    }
    document.addEventListener("paste", (event) => this.pasted(event));
    window.addEventListener("beforeunload", (event) => { if (this.running) event.preventDefault(); });
  }

  dragged(kind, event) {
    if (!event.dataTransfer || !event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    document.body.classList.toggle("dragged", kind === "dragover");
    if (kind === "drop") this.add(event.dataTransfer.files);
  }

  // Browsers call every picture from the clipboard image.png: it gets the time as its name.
  pasted(event) {
    const files = [...event.clipboardData.files];
    if (!files.length) return;
    event.preventDefault();
    const time = new Date().toISOString().slice(0, 19).replace(/[T:]/g, "-");
    this.add(files.map((file, index) => {
      if (!/^image\.\w+$/.test(file.name)) return file;
      const more = index ? `-${index + 1}` : "";
      return new File([file], `picture-${time}${more}.${file.name.slice(6)}`, {type: file.type});
    }));
  }

  add(files) {
    const folded = this.form.closest("details");
    if (folded) folded.open = true;
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

  // The list of a folder is shown anew; where something failed, its reason stays to be read.
  ended() {
    if (this.form.dataset.folder === undefined) return;
    if (this.failed) {
      this.form.querySelector("output").textContent = "Not all files are here. Load the page to see those that are.";
    } else {
      location.reload();
    }
  }
}

for (const form of document.querySelectorAll("form[data-uploads]")) new Sending(form);
