/* SPDX-License-Identifier: MIT
 *
 * descriptors.h - the descriptions of services that are embedded at build, to be searched by name.
 *
 * Thread: the loop.
 */
#ifndef TOQ_HANDLERS_GRPC_DESCRIPTORS_H
#define TOQ_HANDLERS_GRPC_DESCRIPTORS_H

#include "core/base/str.h"
#include "google/protobuf/descriptor.pb-c.h"

#define DESCRIPTORS_SETS_MAX 4

typedef Google__Protobuf__FileDescriptorProto descriptors_file;

struct descriptors {
    Google__Protobuf__FileDescriptorSet *sets[DESCRIPTORS_SETS_MAX]; /* owned */
    size_t set_count;
};

/* descriptors_add reads a FileDescriptorSet; at most DESCRIPTORS_SETS_MAX.
 *
 * Returns: 0; UV_ENOMEM, also when it is no such set, which only a broken build could make.
 */
MUST_USE int descriptors_add(struct descriptors *descriptors, const unsigned char *set, size_t len);

/* descriptors_deinit frees what was read. */
void descriptors_deinit(struct descriptors *descriptors);

/* descriptors_count is the number of files. */
size_t descriptors_count(const struct descriptors *descriptors);

/* descriptors_find finds a file by its name, as imports have it.
 *
 * Returns: true with its number, below descriptors_count; false.
 */
MUST_USE bool descriptors_find(const struct descriptors *descriptors, struct str name,
                               size_t *ret_number);

/* descriptors_find_symbol finds the file that declares a message, enum, service, method, field,
 * value or extension of this full name.
 * Returns: as descriptors_find.
 */
MUST_USE bool descriptors_find_symbol(const struct descriptors *descriptors, struct str name,
                                      size_t *ret_number);

/* descriptors_next_extension walks the extensions of a type.
 *
 * type: its full name. *cursor: 0 at first.
 * Returns: true with the extension's field number and its file; false behind the last.
 */
MUST_USE bool descriptors_next_extension(const struct descriptors *descriptors, struct str type,
                                         size_t *cursor, int32_t *ret_field, size_t *ret_number);

/* descriptors_at is the file of a number; borrowed. */
const descriptors_file *descriptors_at(const struct descriptors *descriptors, size_t number);

#endif
