/* SPDX-License-Identifier: MIT
 *
 * http2_session.h - a connection of HTTP/2 and its streams. Private to http2*.c.
 *
 * nghttp2's callbacks only take notes: handlers run between the frames, when the session may be
 * asked to send.
 *
 * Memory:  a stream lives from its HEADERS until its handler has ended its request and nobody holds
 *          it: nghttp2 holds it until it has closed the stream, and so does the note of a frame.
 *          Then it is spare again. The connection's struct lives until the last stream is gone.
 * Thread:  the loop.
 */
#ifndef TOQ_CORE_HTTP2_HTTP2_SESSION_H
#define TOQ_CORE_HTTP2_HTTP2_SESSION_H

#include <nghttp2/nghttp2.h>

#include "core/http/http_pool.h"
#include "core/http/server.h"
#include "core/http2/http2_cut.h"

#define HTTP2_FRAME_HEAD_BYTES 9
#define HTTP2_FIELD_BYTES      32 /* that a field counts beside name and value, RFC 9113 6.5.2 */
#define HTTP2_GAPS_MAX         8
#define HTTP2_SPANS_MAX        16
#define HTTP2_CLOSED_MAX       64 /* a power of 2 */
#define HTTP2_CLOSED_BY_PEER   0x80000000u
#define HTTP2_HIGH_BYTES       (64u << 10) /* of a stream's queue: its handler waits ... */
#define HTTP2_LOW_BYTES        (16u << 10) /* ... until it is down to this */
#define HTTP2_PACE_BYTES       1024 /* of a stream, that its peer must take in write_timeout_ms */
/* A peer whose request is refused before it is complete learns that a round trip later; most then
 * end the request. A peer that goes on for longer, or sends more, gets RST_STREAM. */
#define HTTP2_LINGER_MS    1000
#define HTTP2_LINGER_BYTES (64u << 10)

/* The position within the incoming frame. */
struct http2_cursor {
    uint8_t head[HTTP2_FRAME_HEAD_BYTES];
    uint8_t head_len;    /* while the head is not complete */
    uint8_t type;        /* of the last complete head */
    uint8_t flags;       /* ... */
    uint32_t left_bytes; /* of its payload */
};

/* A token bucket, as a level that events raise and time drains: above the burst is too much. */
struct http2_bucket {
    int64_t level_milli; /* thousandths of an event; below 0: credit */
    uint64_t at_ms;
};

/* Stream ids; those of clients are odd. */
struct http2_span {
    uint32_t first;
    uint32_t last; /* inclusive; 0: there are none */
};

/* The streams that closed last, and earlier ones that the peer had ended. nghttp2 would keep up to
 * max_streams whole streams for this: 64 KiB on a connection that has served some hundred
 * requests. */
struct http2_closed {
    uint32_t ids[HTTP2_CLOSED_MAX]; /* with HTTP2_CLOSED_BY_PEER where the peer ended its half */
    uint32_t highest;               /* of all so far: streams above it are not closed */
    uint8_t count;                  /* of all so far: the next one overwrites the oldest */
    struct http2_span long_ago[HTTP2_SPANS_MAX];
};

/* PINGs both ways, and the age of the connection. */
struct http2_keepalive {
    struct wheel_timer ping_timer;
    struct wheel_timer age_timer;
    uint64_t received_ms;   /* when the last byte came */
    uint64_t last_asked_ms; /* when the peer's last PING came */
    uint8_t strikes;        /* PINGs of the peer that came too early */
    bool is_asking;         /* our PING was sent, and nothing has come since */
    bool is_asked;          /* a PING of the peer is to be counted */
    bool has_been_asked;    /* by a PING of the peer before */
    bool has_sent;          /* we have sent HEADERS or DATA since the last one */
};

/* What the connection's timer is set for. */
enum http2_wait { WAIT_NOTHING, WAIT_SETTINGS, WAIT_HEAD, WAIT_STREAM, WAIT_PING };

struct http2 {
    struct list link; /* in server->http2_conns */
    struct http_server *server;
    struct conn *conn; /* NULL once it has closed, and the session is gone */
    nghttp2_session *session;
    const struct http2_session_events *session_events;
    struct list streams;        /* those that are not in STREAM_CLOSED */
    struct list blocked;        /* of streams that wait for on_writable, or in STREAM_WAITING */
    struct list lost;           /* of streams in STREAM_LOST */
    size_t stream_count;        /* with closed ones whose requests go on */
    struct http2_stream *head;  /* the stream of the incoming header block; NULL: none, or closed */
    struct http2_stream *event; /* the stream of the last frame, held; NULL: none */
    struct str event_data;      /* ... and the data of that frame */
    struct loop_deferred wake;  /* runs what must not run inside another call */
    uint64_t queued_bytes;      /* of answers, in the queues of the streams */
    uint64_t head_bytes;        /* of the incoming header block, decoded */
    uint64_t held_bytes;        /* of bodies, not yet used by handlers */
    uint64_t owed_bytes;        /* credit of the connection that is held back */
    uint64_t moved_bytes;       /* of bodies and answers */
    uint32_t resets_sent;       /* RST_STREAMs that the peer caused, and that are not counted yet */
    uint32_t last_stream_id;    /* the highest that the peer has used */
    struct http2_keepalive keepalive;
    struct http2_cursor cursor;
    struct http2_bucket control; /* limits->control_* */
    struct http2_bucket resets;  /* limits->reset_* */
    struct http2_closed closed;
    struct http2_span gaps[HTTP2_GAPS_MAX]; /* ids that the peer has skipped, and cannot use */
    uint8_t gap_count;                      /* of all so far: the next one overwrites the oldest */
    enum http2_wait wait;
    bool has_settings;     /* the peer's first frame has come */
    bool is_padding;       /* the last DATA had nothing but padding */
    bool is_head_too_big;  /* the reason why on_header stopped nghttp2 */
    bool is_head_new;      /* a header block has begun since the timer was set */
    bool is_window_broken; /* by WINDOW_UPDATE or SETTINGS: the connection must end */
    bool is_reading;       /* inside nghttp2_session_mem_recv */
    bool is_busy;          /* inside nghttp2, which must not be entered twice */
    bool is_ending;        /* no more frames are read */
    bool is_finished;      /* conn_finish was called: streams are closed at the end of the turn */
    bool is_leaving;       /* takes no more streams; so do all connections of a draining server */
    bool is_goaway_due;    /* the peer knows that we leave, and what it sent before is here */
    bool is_goaway_sent;   /* the GOAWAY with the last stream's id, which refuses later streams */
};

/* The life of a stream. Its transitions are in http2_stream.c's set_life. */
enum http2_life {
    STREAM_HEAD,      /* the header block is not complete */
    STREAM_BODY,      /* a body comes, and is collected or dropped */
    STREAM_WAITING,   /* its handler runs when the peer has read more of earlier answers */
    STREAM_HANDLED,   /* a handler has the request; the body goes to its on_body, or is dropped */
    STREAM_ANSWERED,  /* the answer is whole or broken off, and its rest is being sent */
    STREAM_LINGERING, /* a refusal has been sent, and the rest of the body is dropped */
    STREAM_LOST,      /* nghttp2 has closed it, and its handler is to be cancelled */
    STREAM_CLOSED,    /* nghttp2 has closed it */
};

struct http2_stream {
    struct http_request req;
    struct list link;  /* in h2->streams */
    struct list queue; /* in h2->blocked, or in h2->lost */
    struct http2 *h2;  /* outlives the stream; its connection may not */
    int32_t id;
    uint32_t label; /* of the request, which may end before its answer is sent */
    enum http2_life life;
    int fault_status; /* the head is refused with this status; 0: it is not refused */
    const char *fault_detail;
    uint64_t header_bytes; /* as RFC 9113 6.5.2 counts them */
    size_t header_cap;
    char *cookie; /* in the arena: several cookies, joined */
    size_t cookie_cap;
    struct wheel_timer timer;   /* the peer sends no body, or takes no answer */
    struct buf body;            /* collected for the handler */
    uint64_t body_bytes;        /* received */
    uint64_t late_bytes;        /* ... in STREAM_LINGERING */
    uint64_t taken_bytes;       /* of the answer, since its timer was set */
    uint64_t held_bytes;        /* given to on_body and not consumed */
    uint64_t held_credit;       /* of the stream, that is held back */
    struct outq out;            /* of the answer's body, to be sent */
    struct str borrowed;        /* sent before `out`; only inside the call that answers */
    const nghttp2_nv *trailers; /* in the arena */
    size_t trailer_count;
    /* facts about the two halves that do not follow from `life`: */
    bool is_body_done;     /* the peer has ended its half */
    bool is_body_end_told; /* on_body has run with is_end */
    bool is_expecting;     /* 100-continue */
    bool is_bodyless;      /* HEAD, 204, 304: what a handler writes is dropped */
    bool is_watched;       /* the timer waits for the peer to take more of the answer */
    bool is_refusal;       /* the answer's status is an error */
    bool is_end_given;     /* nghttp2 has the end of the answer, or its reset */
    bool is_deferred;      /* nghttp2 waits for nghttp2_session_resume_data */
};

/* Callbacks that run inside nghttp2: they may take notes, and do nothing else. */
struct http2_session_events {
    struct http2_stream *(*open)(struct http2 *h2, int32_t id); /* NULL: it is refused */
    void (*closed)(struct http2_stream *st, uint32_t code);     /* code: of its reset, or 0 */
    /* the end of the answer has been sent. Returns: 0; an error of nghttp2 */
    int (*sent_end)(struct http2_stream *st);
    nghttp2_send_data_callback send_data;
};

/* The files, from below: each calls only those above it in this list.
 *
 *     http2_out        frames into the connection; GOAWAY and the end
 *     http2_guard      incoming frames, before nghttp2 has them
 *     http2_keepalive  PINGs and age
 *     http2_head       fields of a request
 *     http2_session    nghttp2, and its callbacks
 *     http2_flow       credit for bodies, room for answers
 *     http2_life       states of a stream
 *     http2_send       answers as frames
 *     http2_stream     stages of a stream
 *     http2            the connection's events
 */

/* --- http2_out.c --- */

/* http2_make allocates a connection's struct. Returns: NULL when memory is missing. */
struct http2 *http2_make(struct http_server *server);

/* http2_free frees a connection's struct, whose connection and streams are gone. */
void http2_free(struct http2 *h2);

/* http2_pump sends the frames that nghttp2 has, as far as the connection takes them; inside a
 * callback of nghttp2 it does nothing, since the call that is under way pumps at its end. */
void http2_pump(struct http2 *h2);

/* http2_has_blocked tells whether there are blocked streams though the connection has room. */
bool http2_has_blocked(const struct http2 *h2);

/* http2_wake defers h2->wake to the end of the turn. */
void http2_wake(struct http2 *h2);

/* http2_count_cut counts a connection that is ended because of what its peer does, and logs it, or
 * counts the log line as left out.
 *
 * code:   the GOAWAY's error code.
 * detail: nghttp2's text; may be empty.
 */
void http2_count_cut(struct http2 *h2, uint32_t code, enum http2_cut cut, struct str detail);

/* http2_cut_off is http2_count_cut and http2_end; harmless when the connection is ending. */
void http2_cut_off(struct http2 *h2, uint32_t code, enum http2_cut cut);

/* http2_goaway queues a GOAWAY with the last stream that will be answered. */
void http2_goaway(struct http2 *h2);

/* http2_end sends a GOAWAY with the reason, and closes; harmless when the connection is ending. */
void http2_end(struct http2 *h2, uint32_t code, struct str why);

/* http2_finish sends what is queued and closes. Requests are abandoned at the end of the turn,
 * since one of them may be what has called this. */
void http2_finish(struct http2 *h2);

/* http2_drop counts a cut and closes at once, for a peer that is gone. */
void http2_drop(struct http2 *h2, enum http2_cut cut);

/* http2_leave tells the peer to open no more streams; the connection closes when the last one has
 * ended. Harmless when done twice. */
void http2_leave(struct http2 *h2);

/* http2_is_leaving tells whether http2_leave was called, or is about to be because the server
 * drains. */
bool http2_is_leaving(const struct http2 *h2);

/* --- http2_session.c --- */

/* http2_session_make gives the connection its nghttp2 session, with the server's SETTINGS queued.
 *
 * events:  a literal.
 * Returns: 0; an error of nghttp2.
 * Owns:    the caller deletes h2->session, even after an error.
 */
MUST_USE int http2_session_make(struct http2 *h2, const struct http2_session_events *events);

/* http2_note sets h2->event, and holds the stream; NULL: none. */
void http2_note(struct http2 *h2, struct http2_stream *st);

/* --- http2_guard.c --- */

/* http2_guard_frame moves the cursor to the end of the current frame, and ends the connection when
 * the frame's head breaks a rule that nghttp2 does not check.
 *
 * Returns: how many bytes of `data` belong to the frame. When h2->is_ending is set they are not for
 *          nghttp2.
 */
size_t http2_guard_frame(struct http2 *h2, const char *data, size_t len);

/* http2_guard_padding counts a frame of DATA that has nothing but padding. */
void http2_guard_padding(struct http2 *h2);

/* http2_guard_closed remembers a stream that nghttp2 has closed.
 *
 * is_by_peer: the peer had ended or reset it, so it sends no more on it; else frames that it sent
 *             before it knew may still come. */
void http2_guard_closed(struct http2 *h2, int32_t id, bool is_by_peer);

/* http2_guard_is_in_head tells whether a header block has begun and not ended. */
bool http2_guard_is_in_head(const struct http2 *h2);

/* http2_guard_sent accounts for a frame that was sent: an answer adds credit for control frames. It
 * runs inside nghttp2, and takes notes for http2_guard_settle. */
void http2_guard_sent(struct http2 *h2, const nghttp2_frame *frame);

/* http2_guard_settle ends the connection if the notes of http2_guard_sent demand it. */
void http2_guard_settle(struct http2 *h2);

/* --- http2_keepalive.c --- */

/* http2_keepalive_start sets the timers of a new connection. */
void http2_keepalive_start(struct http2 *h2);

/* http2_keepalive_stop unsets them. */
void http2_keepalive_stop(struct http2 *h2);

/* http2_keepalive_asked counts a PING of the peer, and cuts the connection off after too many. */
void http2_keepalive_asked(struct http2 *h2);

/* --- http2_head.c --- */

/* http2_head_add copies one field of a request, pseudo-header or not, into its arena; sets
 * fault_status if the field is refused. */
void http2_head_add(struct http2_stream *st, struct str name, struct str value);

/* http2_head_finish checks what needs the whole head, and sets path, query and route; sets
 * fault_status if the request is refused. */
void http2_head_finish(struct http2_stream *st);

/* --- http2_flow.c --- */

/* http2_flow_credit lets the peer send more on the stream; harmless when nghttp2 has closed it. */
void http2_flow_credit(struct http2_stream *st, size_t len);

/* http2_flow_credit_connection lets the peer send more on all streams. It does so at once, so that
 * a slow handler does not hold up others, unless all of them together hold more than the
 * connection's window. */
void http2_flow_credit_connection(struct http2 *h2, size_t len);

/* http2_flow_consume is the transport's consume. */
void http2_flow_consume(struct http2_stream *st, size_t len);

/* http2_flow_ease gives the credit of a stream that was held back while memory was short. */
void http2_flow_ease(struct http2_stream *st);

/* http2_flow_has_share tells whether the connection may queue more answers. */
bool http2_flow_has_share(const struct http2 *h2);

/* http2_flow_has_room tells whether a stream's handler should produce more. */
bool http2_flow_has_room(const struct http2_stream *st, size_t limit);

/* --- http2_life.c --- */

/* http2_life_set changes the state; a state that may not follow aborts. */
void http2_life_set(struct http2_stream *st, enum http2_life life);

/* http2_life_release takes a stream off h2->blocked or h2->lost, and consumes the body bytes that
 * its handler holds. */
void http2_life_release(struct http2_stream *st);

/* http2_life_answer enters STREAM_ANSWERED: the answer is whole or broken off. */
void http2_life_answer(struct http2_stream *st);

/* http2_life_linger enters STREAM_LINGERING: a refusal has been sent whole. */
void http2_life_linger(struct http2_stream *st);

/* http2_life_block puts a stream at the end of h2->blocked: http2_stream_notify runs when there is
 * room again. */
void http2_life_block(struct http2_stream *st);

/* http2_life_recycle is the transport's recycle. */
void http2_life_recycle(struct http_request *req);

/* http2_stream_is_closed tells whether nghttp2 has closed the stream. */
static inline bool http2_stream_is_closed(const struct http2_stream *st)
{
    return st->life >= STREAM_LOST;
}

/* --- http2_send.c --- */

/* The transport of HTTP/2. */
extern const struct http_transport http2_transport;

/* http2_send_data is nghttp2's send_data callback: a DATA frame, straight into the connection's
 * queue. */
int http2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *framehd,
                    size_t length, nghttp2_data_source *source, void *user_data);

/* http2_send_continue sends the interim answer to Expect: 100-continue. */
void http2_send_continue(struct http2_stream *st);

/* http2_send_watch sets the timer of a stream while bytes wait for its peer to open the window, and
 * sets it again when the peer has taken HTTP2_PACE_BYTES; unsets it when nothing waits. */
void http2_send_watch(struct http2_stream *st);

/* http2_send_done runs when the last frame of an answer has been sent. If the request's body has
 * not ended, RST_STREAM (NO_ERROR) tells the peer to stop: at once, since a gRPC call counts among
 * the streams until then; after a refusal later, so that the peer can finish the body.
 *
 * Returns: 0; an error of nghttp2.
 */
MUST_USE int http2_send_done(struct http2_stream *st);

/* http2_send_stop tells the peer of a lingering stream to stop sending. */
void http2_send_stop(struct http2_stream *st);

/* http2_send_drop drops the rest of an answer that is not sent yet. */
void http2_send_drop(struct http2_stream *st);

/* --- http2_stream.c --- */

/* http2_stream_open takes a spare stream or makes one, and starts its request.
 *
 * Returns: the stream, in h2->streams; NULL when memory is missing.
 */
MUST_USE struct http2_stream *http2_stream_open(struct http2 *h2, int32_t id);

/* http2_stream_advance goes on with a stream after a frame: its head is complete, `data` of its
 * body has come, or the end of the body. */
void http2_stream_advance(struct http2_stream *st, struct str data);

/* http2_stream_closed notes that nghttp2 has closed a stream. A handler that has not answered is
 * cancelled by http2_stream_tell_lost, between the frames or at the end of the turn.
 *
 * code: the error code of a reset.
 */
void http2_stream_closed(struct http2_stream *st, uint32_t code);

/* http2_stream_tell_lost abandons the requests of the streams in STREAM_LOST. */
void http2_stream_tell_lost(struct http2 *h2);

/* http2_stream_close_all closes every stream of a connection that ends, and abandons their
 * requests. */
void http2_stream_close_all(struct http2 *h2);

/* http2_stream_notify goes on with a blocked stream that has room again: it runs on_writable, or
 * the handler of a request in STREAM_WAITING. */
void http2_stream_notify(struct http2_stream *st);

#endif
