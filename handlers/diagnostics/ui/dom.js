/* SPDX-License-Identifier: MIT
 *
 * dom.js - elements by name, and made of texts: never of HTML, since names come from outside.
 */

export function byId(id) {
  return document.getElementById(id);
}

/* make makes an element.
 *
 * properties: set as they are; "class" too; on*: listeners. children: nodes and texts. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else if (name === "class") {
      element.className = value;
    } else if (name in element) {
      element[name] = value;
    } else {
      element.setAttribute(name, value);
    }
  }
  element.append(...children);
  return element;
}

/* setOptions replaces the choices of a select, and keeps what is chosen if it is still there. */
export function setOptions(select, options) {
  const chosen = select.value;
  select.replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));
  if (options.some(([value]) => value === chosen)) {
    select.value = chosen;
  }
}
