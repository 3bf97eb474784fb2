/* SPDX-License-Identifier: MIT
 *
 * redis_reader.c - hiredis' parser, which builds our own kind of replies in an arena.
 *
 * hiredis calls one of the create functions for each element, an array's before its items'.
 */
#include "core/redis/redis_reader.h"

#include <hiredis/read.h>

#include "core/loop/loop.h"

/* hiredis frees its buffer when it is empty and larger than this. */
#define KEPT_BUFFER_BYTES (64u << 10)

/* place_reply returns the memory of a reply: in its array, or new. */
static struct redis_reply *place_reply(const redisReadTask *task)
{
    struct redis_reader *reader = task->privdata;
    if (task->parent == NULL) {
        return arena_alloc(&reader->arena, sizeof(struct redis_reply));
    }
    const struct redis_reply *array = task->parent->obj;
    return &array->items[task->idx];
}

static enum redis_type type_of(int type)
{
    switch (type) {
    case REDIS_REPLY_STATUS:
        return REDIS_STATUS;
    case REDIS_REPLY_ERROR:
        return REDIS_ERROR;
    default:
        return REDIS_TEXT;
    }
}

static void *create_string(const redisReadTask *task, char *data, size_t len)
{
    struct redis_reader *reader = task->privdata;
    struct redis_reply *reply = place_reply(task);
    struct str text;
    if (reply == NULL || !arena_copy(&reader->arena, (struct str){data, len}, &text)) {
        return NULL;
    }
    *reply = (struct redis_reply){.type = type_of(task->type), .text = text};
    return reply;
}

static void *create_array(const redisReadTask *task, int count)
{
    struct redis_reader *reader = task->privdata;
    struct redis_reply *reply = place_reply(task);
    struct redis_reply *items =
        arena_alloc(&reader->arena, (size_t)count * sizeof(struct redis_reply));
    if (reply == NULL || items == NULL) {
        return NULL;
    }
    *reply = (struct redis_reply){.type = REDIS_ARRAY, .items = items, .count = (size_t)count};
    return reply;
}

static void *create_integer(const redisReadTask *task, long long value)
{
    struct redis_reply *reply = place_reply(task);
    if (reply != NULL) {
        *reply = (struct redis_reply){.type = REDIS_INTEGER, .integer = value};
    }
    return reply;
}

static void *create_nil(const redisReadTask *task)
{
    struct redis_reply *reply = place_reply(task);
    if (reply != NULL) {
        *reply = (struct redis_reply){.type = REDIS_NIL};
    }
    return reply;
}

static void free_nothing(void *reply)
{
    (void)reply; /* the arena has it */
}

void redis_reader_init(struct redis_reader *reader, size_t max_reply_bytes)
{
    *reader = (struct redis_reader){.max_reply_bytes = max_reply_bytes};
    arena_init(&reader->arena, max_reply_bytes);
}

void redis_reader_deinit(struct redis_reader *reader)
{
    if (reader->parser != NULL) {
        redisReaderFree(reader->parser);
        reader->parser = NULL;
    }
    arena_deinit(&reader->arena);
}

int redis_reader_reset(struct redis_reader *reader)
{
    static const redisReplyObjectFunctions functions = {
        .createString = create_string,
        .createArray = create_array,
        .createInteger = create_integer,
        .createNil = create_nil,
        .freeObject = free_nothing,
    };
    redis_reader_deinit(reader);
    reader->is_whole = false;
    /* hiredis only reads them, though its parameter is not const */
    reader->parser =
        redisReaderCreateWithFunctions((redisReplyObjectFunctions *)(uintptr_t)&functions);
    if (reader->parser == NULL) {
        return UV_ENOMEM;
    }
    reader->parser->privdata = reader;
    reader->parser->maxbuf = KEPT_BUFFER_BYTES;
    return 0;
}

int redis_reader_feed(struct redis_reader *reader, const char *data, size_t len)
{
    REQUIRE(len <= REDIS_READER_FEED_BYTES);
    const redisReader *parser = reader->parser;
    /* hiredis keeps a string in its buffer until it is complete */
    if (parser->len - parser->pos + len > reader->max_reply_bytes) {
        return UV_EMSGSIZE;
    }
    return redisReaderFeed(reader->parser, data, len) == 0 ? 0 : UV_ENOMEM;
}

int redis_reader_next(struct redis_reader *reader, const struct redis_reply **ret_reply)
{
    if (reader->is_whole) {
        arena_reset(&reader->arena);
        reader->is_whole = false;
    }
    void *reply = NULL;
    if (redisReaderGetReply(reader->parser, &reply) != 0) {
        return reader->parser->err == REDIS_ERR_OOM ? UV_EMSGSIZE : UV_EPROTO;
    }
    if (reply == NULL) {
        return 0;
    }
    reader->is_whole = true;
    *ret_reply = reply;
    return 1;
}
