/* SPDX-License-Identifier: MIT
 *
 * sql_error.c - what MySQL's error codes mean for a caller and for the connection.
 *
 * Source: MariaDB "Error Codes", MySQL "Server Error Message Reference" and "Client Error Message
 *         Reference"; codes from 2000 to 2999 come from the client library.
 */
#include "core/data/sql_internal.h"

struct meaning {
    uint16_t code;
    int16_t status;
    bool is_fatal;
};

/* ascending by code */
static const struct meaning meanings[] = {
    {1040, UV_EBUSY, true},      /* too many connections */
    {1044, UV_EACCES, false},    /* database not allowed */
    {1045, UV_EACCES, true},     /* wrong user or password */
    {1048, UV_EINVAL, false},    /* NULL in a NOT NULL column */
    {1053, UV_ECONNRESET, true}, /* server shutdown in progress */
    {1062, UV_EEXIST, false},    /* duplicate key */
    {1142, UV_EACCES, false},    /* command not allowed on the table */
    {1143, UV_EACCES, false},    /* ... on the column */
    {1153, UV_EMSGSIZE, true},   /* packet larger than the server takes */
    {1169, UV_EEXIST, false},    /* duplicate unique value */
    {1203, UV_EBUSY, true},      /* too many connections of this user */
    {1205, UV_EAGAIN, false},    /* lock wait timeout: only the statement is undone */
    {1213, UV_EAGAIN, false},    /* deadlock: the whole transaction is undone */
    {1226, UV_EBUSY, true},      /* the user's quota is used up */
    {1227, UV_EACCES, false},    /* a privilege is missing */
    {1243, UV_EIO, true},        /* unknown prepared statement: ours and the server's differ */
    {1264, UV_EINVAL, false},    /* out of range */
    {1265, UV_EINVAL, false},    /* data truncated */
    {1290, UV_EROFS, true},      /* read-only: a failed-over primary; connect anew */
    {1292, UV_EINVAL, false},    /* wrong value */
    {1317, UV_EINTR, false},     /* KILL QUERY by somebody else */
    {1366, UV_EINVAL, false},    /* wrong value for the column, such as text that is not UTF-8 */
    {1406, UV_EINVAL, false},    /* too long */
    {1419, UV_EACCES, false},    /* a trigger, with binary logging and without SUPER */
    {1451, UV_EINVAL, false},    /* foreign key: still referred to */
    {1452, UV_EINVAL, false},    /* foreign key: refers to nothing */
    {1461, UV_EBUSY, true},      /* server-wide limit of prepared statements: closing frees ours */
    {1586, UV_EEXIST, false},    /* duplicate key */
    {1698, UV_EACCES, true},     /* no password login for this user */
    {1792, UV_EROFS, false},     /* a read-only transaction */
    {1836, UV_EROFS, true},      /* running in read-only mode */
    {1927, UV_ECONNRESET, true}, /* connection was killed (MariaDB) */
    {1969, UV_ETIMEDOUT, false}, /* max_statement_time (MariaDB) */
    {2002, UV_ENOTCONN, true},   /* cannot connect to the socket, or at all */
    {2003, UV_ENOTCONN, true},   /* cannot connect to the host */
    {2005, UV_ENOTCONN, true},   /* unknown host */
    {2006, UV_ECONNRESET, true}, /* server has gone away */
    {2008, UV_ENOMEM, true},     /* client out of memory */
    {2012, UV_EPROTO, true},     /* error in the handshake */
    {2013, UV_ECONNRESET, true}, /* connection lost during a query */
    {2014, UV_EPROTO, true},     /* commands out of sync */
    {2020, UV_EMSGSIZE, true},   /* packet larger than max_packet_bytes */
    {2026, UV_ENOTCONN, true},   /* TLS */
    {2027, UV_EPROTO, true},     /* malformed packet */
    {2055, UV_ECONNRESET, true}, /* connection lost, with the system's reason */
    {2057, UV_EIO, true},        /* a statement's columns are others than when it was prepared */
    {3024, UV_ETIMEDOUT, false}, /* max_execution_time (MySQL) */
    {3819, UV_EINVAL, false},    /* CHECK constraint (MySQL) */
    {4025, UV_EINVAL, false},    /* CHECK constraint (MariaDB) */
    {4031, UV_ECONNRESET, true}, /* disconnected for idleness (MySQL) */
};

static const struct meaning *find(unsigned code)
{
    for (size_t i = 0; i < ARRAY_COUNT(meanings) && meanings[i].code <= code; i++) {
        if (meanings[i].code == code) {
            return &meanings[i];
        }
    }
    return NULL;
}

int sql_error_status(unsigned code)
{
    const struct meaning *meaning = find(code);
    if (meaning != NULL) {
        return meaning->status;
    }
    return code == 0 ? 0 : UV_EIO;
}

bool sql_error_is_fatal(unsigned code)
{
    const struct meaning *meaning = find(code);
    /* what the library reports and we do not know is about the connection, not the statement */
    return meaning != NULL ? meaning->is_fatal : code >= 2000 && code < 3000;
}
