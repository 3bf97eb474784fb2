/* SPDX-License-Identifier: MIT
 *
 * profile.c - each text, function and location is entered once and then referred to by number, as
 * the format has it. Samples are written as they come, the tables that they refer to at the end:
 * protobuf takes the fields of a message in any order.
 *
 * Source: google/pprof proto/profile.proto.
 */
#include "profiling/write/profile.h"

#include <stdlib.h>
#include <uv.h>

#include "core/base/lookup.h"
#include "profiling/code/symbol.h"
#include "profiling/write/gzip.h"
#include "profiling/write/profile.pb-c.h"

/* Protobuf: Profile.sample, and the wire type of what has its length before it. */
#define SAMPLE_FIELD 2
#define WIRE_LENGTH  2
/* Varints are 10 bytes at most: of the locations, the values, and four to a label with its head. */
#define PACKED_BYTES_MAX                                                                           \
    (10 * (PROFILE_FRAMES_MAX + PROFILE_SAMPLE_TYPES_MAX) + 64 * PROFILE_LABELS_MAX + 64)

/* A growing array of pointers, as protobuf-c wants repeated fields. */
struct refs {
    void **items;
    size_t count;
    size_t cap;
};

/* What could be named of a mapping's addresses. */
struct naming {
    bool is_used;
    bool has_unnamed;
    bool has_no_file;
    bool has_no_line;
};

struct profile {
    struct arena arena;
    const struct maps *maps;
    struct naming *naming; /* one per mapping */
    Pprof__Profile message;
    struct refs strings;
    struct refs functions;
    struct refs locations;
    struct refs comments; /* Pprof__Label, of which only str is used */
    struct lookup string_lookup;
    struct lookup function_lookup;
    struct lookup location_lookup;
    bool is_failed;
    struct gzip gzip;
    uint8_t packed[PACKED_BYTES_MAX]; /* one message on its way */
};

struct key {
    const struct profile *profile;
    const void *wanted;
};

/* Memory for the arena's life, zeroed; NULL marks the profile failed. */
static void *take(struct profile *profile, size_t size)
{
    void *memory = arena_alloc(&profile->arena, size);
    if (memory == NULL) {
        profile->is_failed = true;
        return NULL;
    }
    memset(memory, 0, size);
    return memory;
}

/* Appends to refs, and to the lookup when there is one. */
static bool append(struct profile *profile, struct refs *refs, void *item, struct lookup *lookup,
                   uint64_t hash)
{
    if (item == NULL ||
        !array_grow(&refs->items, refs->count, &refs->cap, sizeof(void *), UINT32_MAX) ||
        (lookup != NULL && !lookup_add(lookup, hash, (uint32_t)refs->count))) {
        profile->is_failed = true;
        return false;
    }
    refs->items[refs->count++] = item;
    return true;
}

static bool is_string(const void *key, uint32_t position)
{
    const struct key *k = key;
    return strcmp(k->profile->strings.items[position], k->wanted) == 0;
}

/* The number of a text in the string table; NULL is "". */
static int64_t find_or_add_string(struct profile *profile, const char *text)
{
    struct str view = str_from(text);
    struct str copy;
    struct key key = {profile, view.ptr};
    uint64_t hash = str_hash(view);
    uint32_t position;
    if (lookup_find(&profile->string_lookup, hash, is_string, &key, &position)) {
        return position;
    }
    if (!arena_copy(&profile->arena, view, &copy)) {
        profile->is_failed = true;
        return 0;
    }
    char *item = (char *)(uintptr_t)copy.ptr;
    return append(profile, &profile->strings, item, &profile->string_lookup, hash)
               ? (int64_t)profile->strings.count - 1
               : 0;
}

static bool is_function(const void *key, uint32_t position)
{
    const struct key *k = key;
    const Pprof__Function *have = k->profile->functions.items[position];
    const Pprof__Function *wanted = k->wanted;
    return have->name == wanted->name && have->filename == wanted->filename &&
           have->start_line == wanted->start_line;
}

static uint64_t find_or_add_function(struct profile *profile, const struct symbol_frame *frame)
{
    Pprof__Function wanted = PPROF__FUNCTION__INIT;
    wanted.name = find_or_add_string(profile, frame->function);
    /* Readers that look an address up in the object compare what its debug information says. */
    wanted.system_name =
        frame->own_name == NULL ? wanted.name : find_or_add_string(profile, frame->own_name);
    wanted.filename = find_or_add_string(profile, frame->file);
    wanted.start_line = frame->start_line;
    struct key key = {profile, &wanted};
    uint64_t hash = lookup_mix((uint64_t)wanted.name,
                               (uint64_t)wanted.filename << 32 | (uint64_t)wanted.start_line);
    uint32_t position;
    if (lookup_find(&profile->function_lookup, hash, is_function, &key, &position)) {
        return position + 1u;
    }
    Pprof__Function *function = take(profile, sizeof(*function));
    if (!append(profile, &profile->functions, function, &profile->function_lookup, hash)) {
        return 0;
    }
    *function = wanted;
    function->id = profile->functions.count;
    return function->id;
}

static void note_naming(struct naming *naming, const struct symbol_result *symbol)
{
    naming->is_used = true;
    naming->has_unnamed |= !symbol->is_named;
    for (size_t i = 0; i < symbol->count; i++) {
        naming->has_no_file |= symbol->frames[i].file[0] == '\0';
        naming->has_no_line |= symbol->frames[i].line == 0;
    }
}

static void set_lines(struct profile *profile, Pprof__Location *location,
                      const struct symbol_result *symbol)
{
    location->line = take(profile, symbol->count * sizeof(Pprof__Line *));
    for (size_t i = 0; location->line != NULL && i < symbol->count; i++) {
        Pprof__Line *line = take(profile, sizeof(*line));
        if (line == NULL) {
            return;
        }
        pprof__line__init(line);
        line->function_id = find_or_add_function(profile, &symbol->frames[i]);
        line->line = symbol->frames[i].line;
        location->line[i] = line;
        location->n_line = i + 1;
    }
}

/* map: what holds the address, or NULL. shown: the address as the profile gives it. */
static Pprof__Location *make_location(struct profile *profile, const struct map *map,
                                      uint64_t address, uint64_t shown)
{
    Pprof__Location *location = take(profile, sizeof(*location));
    if (location == NULL) {
        return NULL;
    }
    struct symbol_result symbol;
    symbol_lookup(address, &symbol);
    profile->is_failed = profile->is_failed || symbol.is_failed;
    pprof__location__init(location);
    location->id = profile->locations.count + 1;
    location->address = shown;
    set_lines(profile, location, &symbol);
    if (map != NULL) {
        size_t position = (size_t)(map - profile->maps->items);
        location->mapping_id = position + 1;
        note_naming(&profile->naming[position], &symbol);
    }
    return location;
}

static bool is_location(const void *key, uint32_t position)
{
    const struct key *k = key;
    const Pprof__Location *have = k->profile->locations.items[position];
    return have->address == *(const uint64_t *)k->wanted;
}

static uint64_t find_or_add_location(struct profile *profile, uint64_t address)
{
    const struct map *map = maps_find(profile->maps, address);
    uint64_t shown = map == NULL ? address : address - maps_shift(profile->maps, map);
    struct key key = {profile, &shown};
    uint64_t hash = lookup_mix(shown, 0);
    uint32_t position;
    if (lookup_find(&profile->location_lookup, hash, is_location, &key, &position)) {
        return position + 1u;
    }
    Pprof__Location *location = make_location(profile, map, address, shown);
    return append(profile, &profile->locations, location, &profile->location_lookup, hash)
               ? location->id
               : 0;
}

/* A message in `field` of the profile, which is written at once and not kept: a profile of many
 * deep stacks is several times what a worker should hold. */
static void write_message(struct profile *profile, uint8_t field, const ProtobufCMessage *message)
{
    const size_t len = protobuf_c_message_get_packed_size(message);
    REQUIRE(len <= sizeof(profile->packed));
    uint8_t head[8] = {(uint8_t)(field << 3 | WIRE_LENGTH)};
    size_t head_len = 1;
    for (size_t rest = len; head_len == 1 || rest > 0; rest >>= 7) {
        head[head_len++] = (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    }
    gzip_write(&profile->gzip, head, head_len);
    gzip_write(&profile->gzip, profile->packed, protobuf_c_message_pack(message, profile->packed));
}

static Pprof__Label make_label(struct profile *profile, const struct profile_label *label)
{
    Pprof__Label made = PPROF__LABEL__INIT;
    made.key = find_or_add_string(profile, label->key);
    made.str = find_or_add_string(profile, label->text);
    made.num = label->text == NULL ? label->number : 0;
    made.num_unit = find_or_add_string(profile, label->unit);
    return made;
}

void profile_add_sample(struct profile *profile, const uint64_t *addresses, size_t address_count,
                        const int64_t *values, const struct profile_label *labels,
                        size_t label_count)
{
    REQUIRE(address_count > 0 && address_count <= PROFILE_FRAMES_MAX);
    REQUIRE(label_count <= PROFILE_LABELS_MAX);
    Pprof__Label made[PROFILE_LABELS_MAX];
    Pprof__Label *refs[PROFILE_LABELS_MAX];
    uint64_t ids[PROFILE_FRAMES_MAX];
    for (size_t i = 0; i < address_count; i++) {
        REQUIRE(addresses[i] != 0);
        ids[i] = find_or_add_location(profile, addresses[i]);
    }
    for (size_t i = 0; i < label_count; i++) {
        made[i] = make_label(profile, &labels[i]);
        refs[i] = &made[i];
    }
    Pprof__Sample sample = PPROF__SAMPLE__INIT;
    sample.n_location_id = address_count;
    sample.location_id = ids;
    sample.n_value = profile->message.n_sample_type;
    sample.value = (int64_t *)(uintptr_t)values;
    sample.n_label = label_count;
    sample.label = refs;
    write_message(profile, SAMPLE_FIELD, &sample.base);
}

void profile_add_comment(struct profile *profile, const char *text)
{
    Pprof__Label *comment = take(profile, sizeof(*comment));
    if (comment != NULL) {
        comment->str = find_or_add_string(profile, text);
        (void)append(profile, &profile->comments, comment, NULL, 0);
    }
}

static Pprof__ValueType *make_type(struct profile *profile, struct profile_type type)
{
    Pprof__ValueType *made = take(profile, sizeof(*made));
    if (made != NULL) {
        pprof__value_type__init(made);
        made->type = find_or_add_string(profile, type.type);
        made->unit = find_or_add_string(profile, type.unit);
    }
    return made;
}

static void set_head(struct profile *profile, const struct profile_spec *spec)
{
    Pprof__Profile *message = &profile->message;
    message->sample_type = take(profile, spec->type_count * sizeof(*message->sample_type));
    for (size_t i = 0; message->sample_type != NULL && i < spec->type_count; i++) {
        message->sample_type[i] = make_type(profile, spec->types[i]);
    }
    message->n_sample_type = spec->type_count;
    message->period_type = make_type(profile, spec->period_type);
    message->period = spec->period;
    message->default_sample_type = find_or_add_string(profile, spec->default_type);
    message->time_nanos = (int64_t)spec->time_ns;
    message->duration_nanos = (int64_t)spec->duration_ns;
}

int profile_create(const struct profile_spec *spec, const struct maps *maps,
                   struct profile **ret_profile)
{
    REQUIRE(spec->type_count > 0 && spec->type_count <= PROFILE_SAMPLE_TYPES_MAX);
    struct profile *profile = calloc(1, sizeof(*profile));
    if (profile == NULL) {
        return UV_ENOMEM;
    }
    arena_init(&profile->arena, PROFILE_BYTES_MAX);
    gzip_open(&profile->gzip, PROFILE_BYTES_MAX);
    pprof__profile__init(&profile->message);
    profile->maps = maps;
    profile->naming = take(profile, (maps->count + 1) * sizeof(*profile->naming));
    (void)find_or_add_string(profile, ""); /* string 0, by the format's rule */
    set_head(profile, spec);
    if (profile->is_failed) {
        profile_destroy(profile);
        return UV_ENOMEM;
    }
    *ret_profile = profile;
    return 0;
}

void profile_destroy(struct profile *profile)
{
    if (profile == NULL) {
        return;
    }
    struct refs *all[] = {&profile->strings, &profile->functions, &profile->locations,
                          &profile->comments};
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        free(all[i]->items);
    }
    lookup_deinit(&profile->string_lookup);
    lookup_deinit(&profile->function_lookup);
    lookup_deinit(&profile->location_lookup);
    gzip_close(&profile->gzip);
    arena_deinit(&profile->arena);
    free(profile);
}

static Pprof__Mapping *make_mapping(struct profile *profile, size_t position)
{
    Pprof__Mapping *mapping = take(profile, sizeof(*mapping));
    if (mapping == NULL) {
        return NULL;
    }
    const struct map *map = &profile->maps->items[position];
    const struct naming *naming = &profile->naming[position];
    bool is_named = naming->is_used && !naming->has_unnamed;
    pprof__mapping__init(mapping);
    mapping->id = position + 1;
    mapping->memory_start = map->start - maps_shift(profile->maps, map);
    mapping->memory_limit = map->end - maps_shift(profile->maps, map);
    mapping->file_offset = map->offset;
    mapping->filename = find_or_add_string(profile, map->path);
    mapping->build_id = find_or_add_string(profile, map->build_id);
    mapping->has_functions = is_named;
    mapping->has_filenames = is_named && !naming->has_no_file;
    mapping->has_line_numbers = is_named && !naming->has_no_line;
    mapping->has_inline_frames = mapping->has_line_numbers;
    return mapping;
}

static void set_mappings(struct profile *profile)
{
    size_t count = profile->maps->count;
    Pprof__Mapping **mappings = take(profile, (count + 1) * sizeof(*mappings));
    for (size_t i = 0; mappings != NULL && i < count; i++) {
        mappings[i] = make_mapping(profile, i);
    }
    profile->message.mapping = mappings;
    profile->message.n_mapping = count;
}

static void set_comments(struct profile *profile)
{
    size_t count = profile->comments.count;
    profile->message.comment = take(profile, (count + 1) * sizeof(int64_t));
    for (size_t i = 0; profile->message.comment != NULL && i < count; i++) {
        profile->message.comment[i] = ((Pprof__Label *)profile->comments.items[i])->str;
    }
    profile->message.n_comment = count;
}

/* The strings come last: everything before may add some. */
static void set_tables(struct profile *profile)
{
    Pprof__Profile *message = &profile->message;
    set_mappings(profile);
    set_comments(profile);
    message->location = (Pprof__Location **)profile->locations.items;
    message->n_location = profile->locations.count;
    message->function = (Pprof__Function **)profile->functions.items;
    message->n_function = profile->functions.count;
    message->string_table = (char **)profile->strings.items;
    message->n_string_table = profile->strings.count;
}

int profile_encode(struct profile *profile, char **ret_data, size_t *ret_len)
{
    set_tables(profile);
    if (profile->is_failed) {
        return UV_ENOMEM;
    }
    size_t len = pprof__profile__get_packed_size(&profile->message);
    uint8_t *packed = malloc(len);
    if (packed == NULL) {
        return UV_ENOMEM;
    }
    (void)pprof__profile__pack(&profile->message, packed);
    gzip_write(&profile->gzip, packed, len);
    free(packed);
    return gzip_finish(&profile->gzip, ret_data, ret_len);
}
