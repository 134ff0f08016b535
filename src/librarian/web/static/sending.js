// A form with a file becomes a resumable upload: `data-uploads` is where uploads begin, `data-after`, if given,
// where the page of a file is (before its id).  Without this script the form sends the file itself.

import {Refused, ResumableUpload} from "./resumable.js";
import {size} from "./words.js";

class Sending {
  constructor(form) {
    this.form = form;
    this.upload = null;
    this.find = (selector) => form.querySelector(selector);
    form.addEventListener("submit", (event) => { event.preventDefault(); this.start(); });
    for (const kind of ["dragover", "dragleave", "drop"]) {
      form.addEventListener(kind, (event) => { event.preventDefault(); this.dragged(kind, event); });
    }
    this.find("[name=pause]").addEventListener("click", () => this.pauseOrGoOn());
    this.find("[name=cancel]").addEventListener("click", () => this.upload && this.upload.cancel());
  }

  dragged(kind, event) {
    this.form.classList.toggle("dragged", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) {
      this.find("[name=file]").files = event.dataTransfer.files;
    }
  }

  async start() {
    const file = this.find("[name=file]").files[0];
    if (!file || this.upload) return;
    const token = this.find("[name=csrf_token]"), restricted = this.find("[name=restricted]");
    const expires = this.find("[name=expires]");
    this.upload = new ResumableUpload(file, new URL(this.form.dataset.uploads, location.href).href, {
      headers: {...(token ? {"X-CSRF-Token": token.value} : {}), ...(expires ? {"Librarian-Expires": expires.value} : {})},
      metadata: restricted && restricted.checked ? {restricted: "true"} : {},
      onProgress: (bytes, trouble) => this.show(bytes, file.size, trouble),
    });
    this.running(true);
    try {
      this.ended(await this.upload.run());
    } catch (error) {
      this.say(error instanceof Refused ? error.message : String(error));
      this.running(false);
    }
    this.upload = null;
  }

  pauseOrGoOn() {
    if (!this.upload) return;
    const paused = Boolean(this.upload.paused);
    if (paused) this.upload.resume(); else this.upload.pause();
    this.find("[name=pause]").textContent = paused ? "Pause" : "Go on";
    this.say(paused ? "" : "Paused.");
  }

  running(yes) {
    this.find(".sending").hidden = !yes;
    this.find("[type=submit]").disabled = yes;
    this.find("[name=file]").disabled = yes;
    this.find("[name=pause]").textContent = "Pause";
  }

  show(bytes, all, trouble) {
    if (this.upload.paused) return;
    this.find("progress").value = all ? bytes / all : 0;
    this.say(trouble || `${size(bytes)} of ${size(all)}`);
  }

  say(text) {
    this.find("output").textContent = text;
  }

  ended(file) {
    if (this.form.dataset.after) {
      location.assign(`${this.form.dataset.after}${file.id}/+about`);
      return;
    }
    this.running(false);
    this.form.reset();
    this.say(`Thank you: ${file.filename} has come, ${size(file.size)}.`);
  }
}

for (const form of document.querySelectorAll("form[data-uploads]")) new Sending(form);
