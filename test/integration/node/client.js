// SPDX-License-Identifier: MIT
//
// client.js PROTOS PORT CHECK - one check of the listings, or of the calls that the test server has, with
// @grpc/grpc-js; fails by its exit code.
"use strict";

const assert = require("node:assert/strict");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [protos, port, name] = process.argv.slice(2);
const { status } = grpc;
const definition = loader.loadSync(["toq/v1/listings.proto", "toq/test/v1/echo.proto"], {
  includeDirs: [...protos.split(":"), "/usr/include"], keepCase: true, longs: Number, enums: String,
  defaults: true, oneofs: true,
});
const { v1: { ListingService }, test: { v1: { Echo } } } = grpc.loadPackageDefinition(definition).toq;

const token = new grpc.Metadata();
token.set("authorization", "Bearer a-token-of-16-chars");
const nobody = new grpc.Metadata();
const gzip = { "grpc.default_compression_algorithm": 2 };

function connect(options = {}, Service = ListingService) {
  return new Service(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), options);
}

const client = connect();

function example(changes = {}) {
  return { title: "Casa com quintal", kind: "house", purpose: "rent", price_cents: 250000,
           city: "Campinas", state: "SP", status: "published", ...changes };
}

// unary resolves with the answer, its metadata and its status.
function unary(method, request, metadata = token, options = {}, from = client) {
  return new Promise((resolve, reject) => {
    const answer = {};
    const call = from[method](request, metadata, options, (error, value) => {
      if (error) {
        reject(error);
      } else {
        answer.value = value;
      }
    });
    call.on("metadata", (headers) => { answer.headers = headers; });
    call.on("status", (end) => {
      if (end.code === status.OK) {
        answer.status = end;
        setImmediate(() => resolve(answer));
      }
    });
  });
}

async function value(method, request, ...rest) {
  return (await unary(method, request, ...rest)).value;
}

function create(changes) {
  return value("CreateListing", { listing: example(changes) });
}

async function refused(promise, code) {
  const error = await promise.then(() => assert.fail("not refused"), (reason) => reason);
  assert.equal(error.code, code, error.message);
  return error;
}

// ended resolves with the error that a stream ends with, null for none. What still comes is dropped.
function ended(call) {
  return new Promise((resolve) => {
    call.on("error", resolve);
    call.on("end", () => resolve(null));
    call.resume();
  });
}

// next resolves with the next message. The stream pauses behind it: what comes while nobody listens
// would be lost.
function next(call) {
  return new Promise((resolve, reject) => {
    call.once("data", (message) => {
      call.pause();
      resolve(message);
    });
    call.once("error", reject);
    call.resume();
  });
}

function load(rows, metadata = token) {
  return new Promise((resolve, reject) => {
    const call = client.ImportListings(metadata, (error, summary) => {
      if (error) {
        reject(error);
      } else {
        resolve(summary);
      }
    });
    rows.forEach((listing) => call.write({ listing }));
    call.end();
  });
}

const checks = {
  async methods() {
    const made = await create({ title: "Node" });
    assert.equal(made.version, 1);
    assert.deepEqual(await value("GetListing", { id: made.id }, nobody), made);
    const now = await value("UpdateListing", {
      listing: { id: made.id, version: 1, title: "Outra", bedrooms: 3 },
      update_mask: { paths: ["title", "bedrooms"] },
    });
    assert.deepEqual([now.version, now.title, now.bedrooms], [2, "Outra", 3]);
    await value("DeleteListing", { id: made.id, version: 2 });
    await refused(value("GetListing", { id: made.id }), status.NOT_FOUND);
  },

  async pages() {
    const made = [];
    for (let n = 0; n < 5; n++) {
      made.push((await create({ city: "Nodópolis", price_cents: n })).id);
    }
    const found = [];
    let page = { next_page_token: "" };
    do {
      page = await value("ListListings", { city: "nodopolis", sort: "price_cents", page_size: 2,
                                           page_token: page.next_page_token, with_total: true });
      assert.equal(page.total, 5);
      found.push(...page.listings.map((one) => one.id));
    } while (page.next_page_token !== "");
    assert.deepEqual(found, made);
  },

  async errors() {
    const made = await create();
    const bad = await refused(create({ title: "", kind: "castle" }), status.INVALID_ARGUMENT);
    const [details] = bad.metadata.get("grpc-status-details-bin");
    assert.ok(details.includes("must not be empty") && details.includes("BadRequest"));
    await refused(value("UpdateListing", { listing: { id: made.id, version: 9, title: "x" } }),
                  status.ABORTED);
    await refused(value("UpdateListing", { listing: { id: made.id, title: "x" } }),
                  status.FAILED_PRECONDITION);
    await refused(value("ListListings", { page_size: 101 }), status.INVALID_ARGUMENT);
    await refused(value("DeleteListing", { id: "x" }), status.NOT_FOUND);
  },

  async tokens() {
    await refused(value("CreateListing", { listing: example() }, nobody), status.UNAUTHENTICATED);
    await refused(load([example()], nobody), status.UNAUTHENTICATED);
  },

  async metadata() {
    const once = token.clone();
    once.set("idempotency-key", `node-${process.pid}`);
    const first = await unary("CreateListing", { listing: example() }, once);
    const second = await unary("CreateListing", { listing: example() }, once);
    assert.deepEqual(second.value, first.value);
    assert.deepEqual(first.headers.get("idempotency-replayed"), []);
    assert.deepEqual(second.headers.get("idempotency-replayed"), ["true"]);
  },

  async compression() {
    const squeezed = connect(gzip);
    const description = "muito longo ".repeat(400);
    const listing = example({ description });
    const made = await value("CreateListing", { listing }, token, {}, squeezed);
    assert.equal(made.description, description);
    assert.deepEqual(await value("GetListing", { id: made.id }, nobody, {}, squeezed), made);
    squeezed.close();
  },

  async imports() {
    const rows = Array.from({ length: 250 }, (_, n) => example(n === 7 ? { title: "" } : {}));
    const summary = await load(rows);
    assert.deepEqual([summary.received_count, summary.imported_count, summary.refused_count],
                     [250, 249, 1]);
    assert.deepEqual([summary.errors[0].index, summary.errors[0].fields[0].field], [7, "title"]);
  },

  async sync() {
    const made = await create();
    const call = client.SyncListings(nobody);
    call.write({ id: made.id, version: 0 });
    assert.deepEqual((await next(call)).listing, made);
    call.write({ id: made.id, version: 1 });
    call.write({ id: "x", version: 1 });
    assert.deepEqual(await next(call), { id: "x", listing: null });
    call.end();
    assert.equal(await ended(call), null);
  },

  async watch() {
    const call = client.WatchListings({ city: "Vigia" }, nobody);
    assert.equal((await next(call)).kind, "POSITION");
    const made = await create({ city: "Vigia" });
    const { kind, listing, position } = await next(call);
    assert.deepEqual([kind, listing], ["CREATED", made]);
    const end = ended(call);
    call.cancel();
    assert.equal((await end).code, status.CANCELLED);

    await value("DeleteListing", { id: made.id });
    const again = client.WatchListings({ city: "Vigia", position }, nobody);
    assert.deepEqual((({ kind: what, id }) => [what, id])(await next(again)), ["DELETED", made.id]);
    again.on("error", () => {});
    again.cancel();
  },

  async deadlines() {
    const call = client.WatchListings({}, nobody, { deadline: Date.now() + 300 });
    call.on("data", () => {});
    assert.equal((await ended(call)).code, status.DEADLINE_EXCEEDED);
    const row = client.ImportListings(token, { deadline: Date.now() + 300 }, () => {});
    row.write({ listing: example() });
    const code = await new Promise((resolve) => { row.on("status", (end) => resolve(end.code)); });
    assert.equal(code, status.DEADLINE_EXCEEDED);
  },

  async cancellation() {
    const call = client.SyncListings(nobody);
    call.write({ id: "x", version: 1 });
    await next(call);
    const end = ended(call);
    call.cancel();
    assert.equal((await end).code, status.CANCELLED);
    await create();
  },

  async bigMessages() {
    const unlimited = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };
    const payload = Buffer.alloc(10 << 20, "0123456789abcdef");
    for (const options of [unlimited, { ...unlimited, ...gzip }]) {
      const echo = connect(options, Echo);
      assert((await value("Unary", { payload }, nobody, {}, echo)).payload.equals(payload));
      const chat = echo.Chat(nobody);
      chat.write({ payload });
      assert((await next(chat)).payload.equals(payload));
      chat.end();
      assert.equal(await ended(chat), null);
      echo.close();
    }
    const limited = connect({}, Echo);
    await refused(value("Unary", { payload: Buffer.alloc(12 << 20) }, nobody, {}, limited),
                  status.RESOURCE_EXHAUSTED);
    limited.close();
  },

  async thousandStreams() {
    const echo = connect({}, Echo);
    const chats = Array.from({ length: 1000 }, () => echo.Chat(nobody));
    const turns = [1, 2].map((turn) => async () => {
      const replies = chats.map(next);
      chats.forEach((chat, n) => chat.write({ payload: Buffer.from(`${turn} ${n}`) }));
      (await Promise.all(replies)).forEach((reply, n) => {
        assert.equal(reply.payload.toString(), `${turn} ${n}`);
      });
    });
    for (const turn of turns) {
      await turn();
    }
    const ends = chats.map(ended);
    chats.forEach((chat) => chat.end());
    assert((await Promise.all(ends)).every((error) => error === null));
    echo.close();
  },
};

if (name === "--list") {
  console.log(Object.keys(checks).join("\n"));
} else {
  checks[name]().then(() => client.close(), (error) => {
    console.error(error);
    process.exit(1);
  });
}
