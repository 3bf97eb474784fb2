/* SPDX-License-Identifier: MIT
 *
 * format.js - values and times as people read them.
 */

const TIMES = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]];
const SIZES = [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]];

function digits(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2);
}

/* formatValue writes a value of a profile with its unit. */
export function formatValue(value, unit) {
  if (Math.abs(value) < 1e-6) {
    return "0";
  }
  const scale = unit === "nanoseconds" ? TIMES : unit === "bytes" ? SIZES : null;
  if (scale === null) {
    return digits(value);
  }
  const [size, name] = scale.find(([least]) => Math.abs(value) >= least) ?? scale[scale.length - 1];
  return `${digits(value / size)} ${name}`;
}

/* formatSigned is formatValue with a plus before what is more. */
export function formatSigned(value, unit) {
  return (value > 1e-6 ? "+" : "") + formatValue(value, unit);
}

export function formatShare(part, whole) {
  return whole === 0 ? "–" : `${((100 * part) / whole).toFixed(2)} %`;
}

export function formatTime(time_ms) {
  return new Date(time_ms).toLocaleTimeString([], { hour12: false });
}
