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
  const head = `<meta http-equiv="Content-Security-Policy" content="${POLICY}">\n<style>${style}</style>\n`;
  const code = script.replaceAll("</script", "<\\/script");
  const body = `<script type="application/json" id="saved">${saved}</script>\n<script>${code}</script>\n`;
  /* As functions: a text would have its dollar signs taken for references. */
  return page.replace(/<link [^>]*>\n/g, "").replace(/<script [^>]*><\/script>\n/g, "")
    .replace("</head>", () => `${head}</head>`).replace("</body>", () => `${body}</body>`);
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
