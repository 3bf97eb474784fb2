/* SPDX-License-Identifier: MIT
 *
 * save.js - the page and its captures as one HTML file that asks nobody for anything.
 */

const POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:";

function toBase64(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 32768) {
    text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  }
  return btoa(text);
}

function fromBase64(text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

async function textOf(path) {
  const answer = await fetch(path);
  if (!answer.ok) {
    throw new Error(`cannot read the page's own ${path}: ${answer.status}`);
  }
  return answer.text();
}

/* buildFile makes the file.
 *
 * state: what the page shows, as JSON takes it. captures: [{title, bytes}]. */
export async function buildFile(state, captures) {
  const [page, style, script] = await Promise.all([textOf("./"), textOf("ui.css"), textOf("ui.js")]);
  const saved = JSON.stringify({
    state, captures: captures.map((one) => ({ title: one.title, bytes: toBase64(one.bytes) })),
  }).replaceAll("<", "\\u003c");
  const parser = new DOMParser().parseFromString(page, "text/html");
  parser.querySelectorAll("link, script").forEach((element) => element.remove());
  const add = (parent, tag, attributes, text) => {
    const element = parser.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    element.textContent = text;
    parent.append(element);
  };
  add(parser.head, "meta", { "http-equiv": "Content-Security-Policy", content: POLICY }, "");
  add(parser.head, "style", {}, style);
  add(parser.body, "script", { type: "application/json", id: "saved" }, saved);
  add(parser.body, "script", {}, script.replaceAll("</script", "<\\/script"));
  return `<!doctype html>\n${parser.documentElement.outerHTML}\n`;
}

/* readSaved finds what buildFile put into this page; null: it is the server's. */
export function readSaved() {
  const element = document.getElementById("saved");
  if (element === null) {
    return null;
  }
  const saved = JSON.parse(element.textContent);
  saved.captures.forEach((one) => { one.bytes = fromBase64(one.bytes); });
  return saved;
}
