/* SPDX-License-Identifier: MIT
 *
 * replay.c - tracks what is open at each event: callbacks on a stack, requests in a table by id.
 *
 * Requests and waits are written when they end, because only then are their names known. So packets
 * are out of order; readers sort them.
 */
#include "profiling/flight/replay.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "core/task/label.h"

#define STACK_MAX    64
#define BUCKETS      4096 /* of requests that are open, by id */
#define LANES_MAX    100000
#define TRACKS_SHIFT 32 /* tracks of a ring are its position's, above their own numbers */

enum { TRACK_THREAD = 1, TRACK_TURNS, TRACK_REQUESTS, TRACK_FIRST_LANE };

struct request {
    struct request *next; /* in its bucket */
    uint64_t id;
    uint64_t begin_ns;
    uint64_t lane;
    uint32_t label;
    bool is_whole; /* its start was seen */
    bool is_waiting;
    uint64_t wait_ns;  /* since when */
    const char *state; /* what it waits for */
    const char *what;  /* the statement or command; NULL */
    uint64_t flow;     /* of its last wait, until a callback takes it; 0: none */
};

struct replay {
    const struct replay_options *options;
    struct perfetto *trace;
    uint64_t begin_ns; /* of what is known: what was in flight then is drawn from here on */
    struct request *buckets[BUCKETS];
    uint64_t stack[STACK_MAX]; /* ids of the tasks whose callbacks run, 0 for none */
    size_t depth;              /* may be more than STACK_MAX */
    bool *lanes;               /* taken */
    size_t lane_count;
    size_t lane_cap;
    uint64_t poll_ns; /* when the loop last began to poll; 0: not seen */
    uint64_t turn_ns; /* the first event since; 0: none */
    uint64_t last_flow;
    size_t next_sample;
    bool is_failed;
};

static uint64_t track_of(const struct replay *replay, uint64_t number)
{
    return ((uint64_t)replay->options->position + 1) << TRACKS_SHIFT | number;
}

static void add(struct replay *replay, struct perfetto_event event)
{
    event.track = track_of(replay, event.track);
    perfetto_add(replay->trace, &event);
}

/* --- lanes --- */

/* take_lane gives a request a lane that is free; one whose start was not seen, a lane that no other
 * has had, because it goes back to where all begins. */
static uint64_t take_lane(struct replay *replay, bool is_whole)
{
    size_t lane = is_whole ? 0 : replay->lane_count;
    while (lane < replay->lane_count && replay->lanes[lane]) {
        lane++;
    }
    if (lane == replay->lane_count) {
        if (!array_grow(&replay->lanes, lane, &replay->lane_cap, sizeof(*replay->lanes),
                        LANES_MAX)) {
            replay->is_failed = true;
            return 0;
        }
        replay->lane_count++;
        perfetto_add_track(replay->trace, track_of(replay, TRACK_FIRST_LANE + lane),
                           track_of(replay, TRACK_REQUESTS), "request");
    }
    replay->lanes[lane] = true;
    return lane;
}

/* --- requests --- */

static struct request **bucket_of(struct replay *replay, uint64_t id)
{
    return &replay->buckets[id % BUCKETS];
}

static struct request *find_request(struct replay *replay, uint64_t id)
{
    struct request *request = *bucket_of(replay, id);
    while (request != NULL && request->id != id) {
        request = request->next;
    }
    return request;
}

static struct request *open_request(struct replay *replay, uint64_t id, uint64_t at_ns,
                                    bool is_whole)
{
    struct request *request = calloc(1, sizeof(*request));
    if (request == NULL) {
        replay->is_failed = true;
        return NULL;
    }
    *request = (struct request){
        .next = *bucket_of(replay, id),
        .id = id,
        .begin_ns = at_ns,
        .is_whole = is_whole,
        .lane = take_lane(replay, is_whole),
    };
    *bucket_of(replay, id) = request;
    return request;
}

/* seen_request is the request of an event, which may have begun before what is kept. */
static struct request *seen_request(struct replay *replay, uint64_t id)
{
    struct request *request = id == 0 ? NULL : find_request(replay, id);
    return request != NULL || id == 0 ? request : open_request(replay, id, replay->begin_ns, false);
}

static void end_wait(struct replay *replay, struct request *request, uint64_t at_ns)
{
    if (!request->is_waiting) {
        return;
    }
    request->is_waiting = false;
    /* inside of the request, also by the order of two events at the same time */
    const uint64_t from_ns =
        request->wait_ns > request->begin_ns ? request->wait_ns : request->begin_ns + 1;
    add(replay, (struct perfetto_event){
                    .type = PERFETTO_BEGIN,
                    .track = TRACK_FIRST_LANE + request->lane,
                    .at_ns = from_ns,
                    .name = request->state,
                    .flow = request->flow,
                    .text_name = "what",
                    .text = request->what,
                });
    add(replay, (struct perfetto_event){
                    .type = PERFETTO_END,
                    .track = TRACK_FIRST_LANE + request->lane,
                    .at_ns = at_ns > from_ns ? at_ns : from_ns,
                });
}

static const char *name_of(uint32_t label)
{
    const char *name = label_name(label);
    return name[0] == '\0' ? "request" : name;
}

static void put_request(struct replay *replay, struct request *request, uint64_t at_ns)
{
    const uint64_t end_ns = at_ns > request->begin_ns + 1 ? at_ns : request->begin_ns + 2;
    end_wait(replay, request, end_ns);
    add(replay, (struct perfetto_event){
                    .type = PERFETTO_BEGIN,
                    .track = TRACK_FIRST_LANE + request->lane,
                    .at_ns = request->begin_ns,
                    .name = name_of(request->label),
                    .number_name = "id",
                    .number = request->id,
                    .text_name = request->is_whole ? "method" : "began",
                    .text = request->is_whole ? label_get(request->label).method : "before",
                });
    add(replay, (struct perfetto_event){
                    .type = PERFETTO_END,
                    .track = TRACK_FIRST_LANE + request->lane,
                    .at_ns = end_ns,
                });
}

static void end_request(struct replay *replay, uint64_t id, uint32_t label, uint64_t at_ns)
{
    struct request *request = seen_request(replay, id);
    if (request == NULL) {
        return;
    }
    request->label = label != 0 ? label : request->label;
    put_request(replay, request, at_ns);
    struct request **at = bucket_of(replay, id);
    while (*at != request) {
        at = &(*at)->next;
    }
    *at = request->next;
    replay->lanes[request->lane] = false;
    free(request);
}

/* --- callbacks --- */

/* push draws a callback that begins. flow: of what let it run; 0: none. */
static void push(struct replay *replay, uint64_t id, uint32_t label, uint64_t flow, uint64_t at_ns)
{
    if (replay->depth < STACK_MAX) {
        replay->stack[replay->depth] = id;
    }
    replay->depth++;
    if (id == 0 || replay->depth > STACK_MAX) {
        return;
    }
    add(replay, (struct perfetto_event){
                    .type = PERFETTO_BEGIN,
                    .track = TRACK_THREAD,
                    .at_ns = at_ns,
                    .name = name_of(label),
                    .ended_flow = flow,
                    .number_name = "id",
                    .number = id,
                });
}

static void enter(struct replay *replay, uint64_t id, uint32_t label, uint64_t at_ns)
{
    struct request *request = seen_request(replay, id);
    push(replay, id, label, request == NULL ? 0 : request->flow, at_ns);
    if (request == NULL) {
        return;
    }
    request->label = label != 0 ? label : request->label;
    if (!request->is_waiting) {
        request->flow = 0;
    }
}

static void leave(struct replay *replay, uint64_t at_ns)
{
    if (replay->depth == 0) {
        return; /* it began before what is kept */
    }
    replay->depth--;
    if (replay->depth < STACK_MAX && replay->stack[replay->depth] != 0) {
        add(replay,
            (struct perfetto_event){.type = PERFETTO_END, .track = TRACK_THREAD, .at_ns = at_ns});
    }
}

/* current_track is the lane of the request whose callback runs; else the thread's track. */
static uint64_t current_track(struct replay *replay)
{
    const bool is_known = replay->depth > 0 && replay->depth <= STACK_MAX;
    const uint64_t id = is_known ? replay->stack[replay->depth - 1] : 0;
    const struct request *request = id == 0 ? NULL : find_request(replay, id);
    return request == NULL ? TRACK_THREAD : TRACK_FIRST_LANE + request->lane;
}

/* --- events --- */

static void park(struct replay *replay, uint64_t id, const char *state, uint64_t at_ns)
{
    struct request *request = seen_request(replay, id);
    if (request == NULL) {
        return;
    }
    end_wait(replay, request, at_ns);
    replay->last_flow++;
    request->flow = track_of(replay, replay->last_flow);
    request->is_waiting = true;
    request->wait_ns = at_ns;
    request->state = state;
    request->what = NULL;
}

static void name_wait(struct replay *replay, uint64_t id, const char *what)
{
    struct request *request = find_request(replay, id);
    if (request != NULL && request->is_waiting) {
        request->what = what;
    }
}

static void resume(struct replay *replay, uint64_t id, uint64_t at_ns)
{
    struct request *request = seen_request(replay, id);
    if (request != NULL) {
        end_wait(replay, request, at_ns);
    }
}

static void put_write(struct replay *replay, uint64_t bytes, uint64_t at_ns)
{
    add(replay, (struct perfetto_event){
                    .type = PERFETTO_INSTANT,
                    .track = current_track(replay),
                    .at_ns = at_ns,
                    .name = "write",
                    .number_name = "bytes",
                    .number = bytes,
                });
}

/* put_turn writes a turn. */
static void put_turn(struct replay *replay, uint64_t began_ns, uint64_t at_ns)
{
    if (began_ns != 0 && began_ns < at_ns) {
        const bool is_stall = at_ns - began_ns >= REPLAY_STALL_NS;
        add(replay, (struct perfetto_event){.type = PERFETTO_BEGIN,
                                            .track = TRACK_TURNS,
                                            .at_ns = began_ns,
                                            .name = is_stall ? "stall" : "turn"});
        add(replay,
            (struct perfetto_event){.type = PERFETTO_END, .track = TRACK_TURNS, .at_ns = at_ns});
    }
    replay->poll_ns = at_ns;
    replay->turn_ns = 0;
}

/* put_samples writes the samples that were taken before the next event. */
static void put_samples(struct replay *replay, uint64_t until_ns)
{
    const struct replay_options *options = replay->options;
    for (; replay->next_sample < options->sample_count; replay->next_sample++) {
        const struct replay_sample *sample = &options->samples[replay->next_sample];
        if (sample->taken_ns >= until_ns) {
            return;
        }
        if (sample->taken_ns >= options->begin_ns &&
            strcmp(sample->thread, options->ring->thread) == 0) {
            add(replay, (struct perfetto_event){
                            .type = PERFETTO_INSTANT,
                            .track = current_track(replay),
                            .at_ns = sample->taken_ns,
                            .name = "cpu",
                            .frames = sample->frames,
                            .frame_count = sample->frame_count,
                        });
        }
    }
}

static void put_event(struct replay *replay, const struct recorder_event *event, uint64_t at_ns)
{
    const uint64_t id = event->value & ((UINT64_C(1) << RECORDER_ID_BITS) - 1);
    const uint64_t more = event->value >> RECORDER_ID_BITS;
    switch ((enum recorder_kind)(event->ticks & 0xff)) {
    case RECORDER_START:
        (void)open_request(replay, id, at_ns, true);
        break;
    case RECORDER_END:
        end_request(replay, id, (uint32_t)more, at_ns);
        break;
    case RECORDER_ENTER:
        enter(replay, id, (uint32_t)more, at_ns);
        break;
    case RECORDER_LATE: /* its request is over: it has no lane any more */
        push(replay, id, (uint32_t)more, 0, at_ns);
        break;
    case RECORDER_LEAVE:
        leave(replay, at_ns);
        break;
    case RECORDER_BEGIN:
        (void)open_request(replay, id, at_ns, true);
        enter(replay, id, (uint32_t)more, at_ns);
        break;
    case RECORDER_FINISH:
        end_request(replay, id, (uint32_t)more, at_ns);
        leave(replay, at_ns);
        break;
    case RECORDER_PARK:
        park(replay, id, recorder_text(more), at_ns);
        break;
    case RECORDER_WHAT:
        name_wait(replay, id, recorder_text(more));
        break;
    case RECORDER_RESUME:
        resume(replay, id, at_ns);
        break;
    case RECORDER_WRITE:
        put_write(replay, more, at_ns);
        break;
    case RECORDER_POLL:
        /* from the end of the sleep that went before it */
        put_turn(replay, replay->poll_ns == 0 ? 0 : replay->poll_ns + more * NS_PER_US, at_ns);
        return;
    case RECORDER_NONE:
    default:
        break;
    }
    replay->turn_ns = replay->turn_ns == 0 ? at_ns : replay->turn_ns;
}

static void put_tracks(struct replay *replay)
{
    const struct recorder_ring *ring = replay->options->ring;
    const bool is_work = replay->options->position == 0;
    perfetto_add_thread(replay->trace, track_of(replay, TRACK_THREAD), ring->tid, ring->thread);
    perfetto_add_track(replay->trace, track_of(replay, TRACK_TURNS), PERFETTO_PROCESS_TRACK,
                       is_work ? "turns of the work loop" : "turns of the diagnostics' loop");
    perfetto_add_track(replay->trace, track_of(replay, TRACK_REQUESTS), PERFETTO_PROCESS_TRACK,
                       is_work ? "requests of the work loop" : "requests of the diagnostics' loop");
}

/* close_all ends what is still open, so that nothing is drawn to the end of time. */
static void close_all(struct replay *replay)
{
    const uint64_t end_ns = replay->options->end_ns;
    put_samples(replay, end_ns);
    put_turn(replay, replay->turn_ns, end_ns);
    while (replay->depth > 0) {
        leave(replay, end_ns);
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        while (replay->buckets[i] != NULL) {
            struct request *request = replay->buckets[i];
            put_request(replay, request, end_ns);
            replay->buckets[i] = request->next;
            free(request);
        }
    }
}

/* find_begin is where the window begins, or the first event that was not overwritten. */
static uint64_t find_begin(const struct replay_options *options)
{
    const uint64_t first_ns =
        options->event_count == 0 ? 0 : recorder_ns(options->clock, &options->events[0]);
    return first_ns > options->begin_ns ? first_ns : options->begin_ns;
}

int replay_run(const struct replay_options *options, struct perfetto *trace)
{
    struct replay *replay = calloc(1, sizeof(*replay));
    if (replay == NULL) {
        return UV_ENOMEM;
    }
    replay->options = options;
    replay->trace = trace;
    replay->begin_ns = find_begin(options);
    put_tracks(replay);
    for (size_t i = 0; i < options->event_count; i++) {
        const uint64_t at_ns = recorder_ns(options->clock, &options->events[i]);
        if (at_ns >= options->begin_ns && at_ns < options->end_ns) {
            put_samples(replay, at_ns);
            put_event(replay, &options->events[i], at_ns);
        }
    }
    close_all(replay);
    const int status = replay->is_failed ? UV_ENOMEM : 0;
    free(replay->lanes);
    free(replay);
    return status;
}
