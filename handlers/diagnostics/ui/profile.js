/* SPDX-License-Identifier: MIT
 *
 * profile.js - reads what /debug/pprof/ serves: profile.proto, packed by gzip.
 *
 * A profile here is {types, defaultType, duration_s, time_ms, comments, names, functions, sites,
 * samples}: a sample's stack is a list of sites, the outermost first; a site is a line of a
 * function, inlined ones included; functions of one name are one, as in go tool pprof.
 *
 * Source: google/pprof proto/profile.proto.
 */

const BYTES_MAX = 256 << 20;

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  /* A varint as a number: exact up to 2^53, negative ones too. */
  varint() {
    let low = 0, high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= this.bytes.length) {
        throw new Error("the profile is cut off");
      }
      const byte = this.bytes[this.at++];
      const bits = byte & 0x7f;
      if (shift < 28) {
        low |= bits << shift;
      } else if (shift === 28) {
        low |= bits << 28;
        high |= bits >> 4;
      } else if (shift < 63) {
        high |= bits << (shift - 32);
      } else {
        high |= bits << 31;
      }
      if (byte < 0x80) {
        return high * 4294967296 + (low >>> 0);
      }
    }
    throw new Error("the profile has a bad number");
  }

  piece() {
    const length = this.varint();
    if (length < 0 || this.at + length > this.bytes.length) {
      throw new Error("the profile is cut off");
    }
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /* Calls on(field, value): a number, or the bytes of what has a length. */
  fields(on) {
    while (this.at < this.bytes.length) {
      const key = this.varint();
      const wire = key & 7;
      if (wire === 0) {
        on(key >>> 3, this.varint());
      } else if (wire === 2) {
        on(key >>> 3, this.piece());
      } else {
        throw new Error("the profile has a field of an unknown kind");
      }
    }
  }
}

function numbers(list, value) {
  if (typeof value === "number") {
    list.push(value);
    return;
  }
  const reader = new Reader(value);
  while (reader.at < value.length) {
    list.push(reader.varint());
  }
}

function message(bytes, names) {
  const made = {};
  new Reader(bytes).fields((field, value) => {
    if (names[field] !== undefined) {
      made[names[field]] = value;
    }
  });
  return made;
}

function readSample(bytes) {
  const sample = { locations: [], values: [], labels: [] };
  new Reader(bytes).fields((field, value) => {
    if (field === 1) {
      numbers(sample.locations, value);
    } else if (field === 2) {
      numbers(sample.values, value);
    } else if (field === 3) {
      sample.labels.push(message(value, { 1: "key", 2: "text", 3: "number", 4: "unit" }));
    }
  });
  return sample;
}

function readLocation(bytes) {
  const location = { id: 0, address: 0, lines: [] };
  new Reader(bytes).fields((field, value) => {
    if (field === 1) {
      location.id = value;
    } else if (field === 3) {
      location.address = value;
    } else if (field === 4) {
      location.lines.push(message(value, { 1: "function", 2: "line" }));
    }
  });
  return location;
}

function readTables(bytes) {
  const tables = { types: [], samples: [], locations: [], functions: [], strings: [], comments: [],
                   time: 0, duration: 0, period: 0, defaultType: 0 };
  const decoder = new TextDecoder();
  new Reader(bytes).fields((field, value) => {
    switch (field) {
    case 1: tables.types.push(message(value, { 1: "type", 2: "unit" })); break;
    case 2: tables.samples.push(readSample(value)); break;
    case 4: tables.locations.push(readLocation(value)); break;
    case 5: tables.functions.push(message(value, { 1: "id", 2: "name", 4: "file", 5: "line" })); break;
    case 6: tables.strings.push(decoder.decode(value)); break;
    case 9: tables.time = value; break;
    case 10: tables.duration = value; break;
    case 12: tables.period = value; break;
    case 13: numbers(tables.comments, value); break;
    case 14: tables.defaultType = value; break;
    }
  });
  return tables;
}

/* The lines of each location as sites, the outermost first. */
function makeSites(tables, profile) {
  const text = (position) => tables.strings[position ?? 0] ?? "";
  const ofName = new Map();
  const ofId = new Map();
  for (const one of tables.functions) {
    const name = text(one.name);
    if (!ofName.has(name)) {
      ofName.set(name, profile.functions.length);
      profile.functions.push({ name, file: text(one.file), line: one.line ?? 0 });
    }
    ofId.set(one.id, ofName.get(name));
  }
  const ofLocation = new Map();
  for (const location of tables.locations) {
    const sites = location.lines.map((line, depth) => {
      profile.sites.push({ fn: ofId.get(line.function), line: line.line ?? 0,
                           address: location.address, depth });
      return profile.sites.length - 1;
    });
    ofLocation.set(location.id, sites.filter((site) => profile.sites[site].fn !== undefined).reverse());
  }
  return ofLocation;
}

function readLabels(tables, labels) {
  const made = {};
  for (const label of labels) {
    made[tables.strings[label.key]] =
      label.text ? tables.strings[label.text] : String(label.number ?? 0);
  }
  return made;
}

/* decodeProfile makes a profile of the bytes of profile.proto. */
export function decodeProfile(bytes) {
  const tables = readTables(bytes);
  const text = (position) => tables.strings[position ?? 0] ?? "";
  const types = tables.types.map((one) => ({ type: text(one.type), unit: text(one.unit) }));
  const wanted = types.findIndex((one) => one.type === text(tables.defaultType));
  const profile = {
    types, defaultType: wanted < 0 ? types.length - 1 : wanted, time_ms: tables.time / 1e6,
    duration_s: tables.duration / 1e9, period: tables.period,
    comments: tables.comments.map(text), functions: [], sites: [], samples: [],
  };
  const ofLocation = makeSites(tables, profile);
  for (const sample of tables.samples) {
    profile.samples.push({
      stack: sample.locations.slice().reverse().flatMap((id) => ofLocation.get(id) ?? []),
      values: sample.values,
      labels: readLabels(tables, sample.labels),
    });
  }
  return profile;
}

/* unpack undoes gzip. */
export async function unpack(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const pieces = [];
  let total = 0;
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    total += next.value.length;
    if (total > BYTES_MAX) {
      await reader.cancel();
      throw new Error("the profile is larger than this page reads");
    }
    pieces.push(next.value);
  }
  const whole = new Uint8Array(total);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

export async function readProfile(bytes) {
  return decodeProfile(await unpack(bytes));
}
