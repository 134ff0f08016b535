// Files in pieces, by tus 1.0.0 (https://tus.io/protocols/resumable-upload).
//
// An upload sends all that is missing of a file in one request.  After a failure it asks how much has come,
// and goes on from there; it gives up when nothing has come for ten minutes.  What it has begun is remembered
// in this browser until it is complete, so that it goes on after the page was loaded anew.

const TUS = {"Tus-Resumable": "1.0.0"};
const PASSING = new Set([0, 409, 423, 429, 500, 502, 503, 504]);  // statuses that may pass; 0: no answer
const GONE = new Set([404, 410]);
const FIRST_PAUSE = 250, LONGEST_PAUSE = 15000, PATIENCE = 600000;  // milliseconds
const MOST_BEGINNINGS = 3;
const MOST_CONFLICTS = 5;  // without a new byte: then it is the path that is not to be had, and not the offset

function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

export class Refused extends Error {}  // with the reason that the server gives

export class ResumableUpload {
  // `place` is the URL that begins uploads, `metadata` an object of strings, of which `path` is a path of
  // the named tree in place of a file name; `headers` go with every request; `onProgress` is called with the number of bytes that have come, and with what is the matter or "".
  constructor(file, place, {metadata = {}, headers = {}, onProgress = () => {}} = {}) {
    this.file = file;
    this.place = place;
    const name = metadata.path ? {} : {filename: file.name};
    this.metadata = {...name, ...(file.type ? {filetype: file.type} : {}), ...metadata};
    this.headers = {...TUS, ...headers};
    this.onProgress = onProgress;
    this.key = ["upload", place, file.name, file.size, file.lastModified, JSON.stringify(metadata)].join(" ");
    this.reached = -1;
    this.beginnings = 0;
    this.conflicts = 0;
    this.request = null;
    this.paused = null;  // while it is paused: a promise, and what ends it
    this.wake = null;
    this.cancelled = null;  // once it was given up: a promise of the server's answer to that
  }

  // The JSON object with which the server answers the last piece.  Raises Refused.
  async run() {
    this.url = this.remembered();
    while (true) {
      await this.paused;
      if (this.cancelled) {
        await this.cancelled;
        throw new Refused("It was given up.");
      }
      const answer = await this.step();
      if (answer !== null && !this.cancelled) {
        this.forget();
        return answer;
      }
    }
  }

  pause() {
    if (this.paused) return;
    this.paused = new Promise((resolve) => { this.unpause = resolve; });
    if (this.request) this.request.abort();
  }

  resume() {
    if (!this.paused) return;
    this.spent = 0;
    this.paused = null;
    this.unpause();
  }

  // Give the upload up: run() raises once the server has forgotten what has come.
  cancel() {
    if (this.request) this.request.abort();
    this.cancelled = this.url ? this.ask("DELETE", this.url) : Promise.resolve();
    this.forget();
    if (this.wake) this.wake();
    this.resume();
  }

  async step() {
    let offset = 0;
    if (this.url) {
      const state = await this.ask("HEAD", this.url);
      if (GONE.has(state.status)) return this.beginAnew(state);
      if (state.status !== 200) return this.failed(state);
      if (Number(state.getResponseHeader("Upload-Length")) !== this.file.size) return this.beginAnew(state);
      offset = Number(state.getResponseHeader("Upload-Offset"));
    } else {
      const begun = await this.begin();
      if (begun.status === 409) throw this.refusal(begun);  // the path is not to be had; no offset is in question
      if (begun.status !== 201) return this.failed(begun);
      this.url = new URL(begun.getResponseHeader("Location"), this.place).href;
      this.remember();
    }
    this.reach(offset);
    const fields = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": String(offset)};
    const last = await this.ask("PATCH", this.url, fields, this.file.slice(offset), offset);
    if (last.status === 200) return JSON.parse(last.responseText);
    if (GONE.has(last.status)) return this.beginAnew(last);
    return this.failed(last);
  }

  begin() {
    this.beginnings += 1;
    const pairs = Object.entries(this.metadata).map(([name, value]) => `${name} ${base64(value)}`);
    const fields = {"Upload-Length": String(this.file.size), "Upload-Metadata": pairs.join(",")};
    return this.ask("POST", this.place, fields);
  }

  beginAnew(answer) {
    if (this.beginnings >= MOST_BEGINNINGS) throw this.refusal(answer);
    this.forget();
    return null;
  }

  async failed(answer) {
    if (this.paused || this.cancelled) return null;
    if (!PASSING.has(answer.status)) throw this.refusal(answer);
    if (this.spent > PATIENCE) throw this.refusal(answer);
    if (answer.status === 409 && (this.conflicts += 1) > MOST_CONFLICTS) throw this.refusal(answer);
    const told = Number(answer.getResponseHeader("Retry-After")) * 1000 || 0;
    const milliseconds = Math.max(this.wait, told);
    this.onProgress(Math.max(this.reached, 0), "The connection is lost; it goes on by itself.");
    await new Promise((resolve) => { this.wake = resolve; setTimeout(resolve, milliseconds); });
    this.spent += milliseconds;
    this.wait = Math.min(this.wait * 2, LONGEST_PAUSE);
    return null;
  }

  refusal(answer) {
    let reason = "The server could not be reached.";
    if (answer.status) reason = `The server answered ${answer.status}.`;
    try {
      reason = JSON.parse(answer.responseText).error || reason;
    } catch { /* no JSON */ }
    return new Refused(reason);
  }

  // More bytes than ever before: the next pause is short again.
  reach(offset) {
    if (offset > this.reached) {
      this.reached = offset;
      this.wait = FIRST_PAUSE;
      this.conflicts = 0;
      this.spent = 0;
    }
    this.onProgress(offset, "");
  }

  // The XMLHttpRequest once it has ended, which tells how much of a body has gone; fetch() does not.
  ask(method, url, fields = {}, body = null, offset = 0) {
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.open(method, url);
      request.setRequestHeader("Accept", "application/json");
      for (const [name, value] of Object.entries({...this.headers, ...fields})) {
        request.setRequestHeader(name, value);
      }
      if (body !== null) request.upload.onprogress = (event) => this.onProgress(offset + event.loaded, "");
      request.onloadend = () => { this.request = null; resolve(request); };
      if (method !== "DELETE") this.request = request;
      request.send(body);
    });
  }

  remembered() {
    try { return localStorage.getItem(this.key); } catch { return null; }
  }

  remember() {
    try { localStorage.setItem(this.key, this.url); } catch { /* it is only for a page loaded anew */ }
  }

  forget() {
    this.url = null;
    try { localStorage.removeItem(this.key); } catch { /* as above */ }
  }
}
