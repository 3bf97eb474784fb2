/* SPDX-License-Identifier: MIT
 *
 * symbol.c - libdwfl over the objects that are mapped now.
 *
 * Flow:    cache -> DWARF of the object (function, inlined calls, lines) -> its symbol table ->
 *          the object's name in brackets
 * Failure: the answer leaves out what cannot be read. When memory is missing the answer says so and
 *          is not cached.
 */
#include "profiling/code/symbol.h"

#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/lookup.h"
#include "core/task/label.h"
#include "core/task/task.h"
#include "profiling/code/function_start.h"
#include "profiling/code/object.h"
#include "profiling/code/synthetic.h"

#define CACHE_ENTRIES_MAX (1u << 17)
#define CACHE_FRAMES_MAX  (1u << 18)
#define TEXTS_BYTES_MAX   (16u << 20)
#define LOCAL_NAME_BYTES  512
#define UNKNOWN_NAME      "[unknown]"
#define AGE_NS_MAX        (60 * NS_PER_S)
#define PLT_NAME          "[plt]"

/* A cached answer: frames first .. first + count. */
struct entry {
    uint64_t addr;
    uint64_t entry;
    uint32_t first;
    uint16_t count;
    bool is_named;
    bool is_mapped;
};

static struct {
    pthread_mutex_t lock;
    jmp_buf out_of_memory;     /* where libdw goes */
    struct object_loads loads; /* for which the rest holds */
    Dwfl *dwfl;                /* NULL until a look-up needs it */
    bool is_main;              /* the look-up that runs is of the main binary */
    uint64_t opened_ns;        /* when it was made */
    _Atomic uint64_t used_ns;  /* when it was last looked at; 0: there is none */
    struct maps *maps;         /* the objects that are reported to dwfl */

    struct entry *entries;
    size_t entry_count;
    size_t entry_cap;
    struct lookup entry_lookup;
    struct symbol_frame *frames;
    size_t frame_count;
    size_t frame_cap;

    /* Texts that libdw does not own: joined paths, stand-in names. */
    struct arena texts;
    const char **names;
    size_t name_count;
    size_t name_cap;
    struct lookup name_lookup;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_text(const void *key, uint32_t position)
{
    return str_equal(*(const struct str *)key, str_from(state.names[position]));
}

/* One copy of a text for the life of the cache; "" when memory is missing. */
static const char *keep_text(struct str text)
{
    uint32_t position;
    uint64_t hash = str_hash(text);
    if (lookup_find(&state.name_lookup, hash, is_text, &text, &position)) {
        return state.names[position];
    }
    struct str copy;
    position = (uint32_t)state.name_count;
    if (!arena_copy(&state.texts, text, &copy) ||
        !array_grow(&state.names, position, &state.name_cap, sizeof(*state.names), UINT32_MAX) ||
        !lookup_add(&state.name_lookup, hash, position)) {
        return "";
    }
    state.names[position] = copy.ptr;
    state.name_count++;
    return copy.ptr;
}

/* A function always has a name: a profile without one is refused. */
static const char *keep_function(const char *name)
{
    const char *kept = keep_text(str_from(name));
    return kept[0] == '\0' ? UNKNOWN_NAME : kept;
}

/* Debug information names files relative to the directory that the compiler ran in. */
static const char *keep_path(const char *path, Dwarf_Die *unit)
{
    if (path == NULL) {
        return "";
    }
    Dwarf_Attribute attribute;
    const char *dir = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));
    char joined[4096];
    if (path[0] == '/' || dir == NULL) {
        return keep_text(str_from(path));
    }
    int len = snprintf(joined, sizeof(joined), "%s/%s", dir, path);
    return len < 0 || (size_t)len >= sizeof(joined) ? "" : keep_text(str_from(joined));
}

/* Called by libdwfl for each reported module when it first needs the file. */
static int find_elf(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
                    char **file_name, Elf **ret_elf)
{
    (void)module;
    (void)userdata;
    (void)name;
    (void)file_name;
    struct object object;
    const struct map *map = maps_find_object(state.maps, base);
    if (map == NULL || !object_open(state.maps, map, &object)) {
        return -1;
    }
    *ret_elf = object.elf;
    return object.fd; /* libdwfl owns both now */
}

/* Debug information in separate files is looked for by build id on this machine only;
 * dwfl_standard_find_debuginfo would ask servers. */
static const Dwfl_Callbacks callbacks = {.find_elf = find_elf,
                                         .find_debuginfo = dwfl_build_id_find_debuginfo};

/* Tells libdwfl of every mapped object. Modules it knew keep what was read of them. */
static void report_objects(struct maps *maps)
{
    maps_destroy(state.maps);
    state.maps = maps;
    dwfl_report_begin(state.dwfl);
    for (size_t i = 0; i < maps->count; i++) {
        const struct map *map = &maps->items[i];
        const bool is_told = i > 0 && map[-1].object_start == map->object_start;
        if (map->path[0] != '\0' && !is_told) {
            (void)dwfl_report_module(state.dwfl, map->path, map->object_start, map->object_end);
        }
    }
    (void)dwfl_report_end(state.dwfl, NULL, NULL);
}

/* The module of an address; objects that were loaded since the last look-up are found as well. */
static Dwfl_Module *find_module(uint64_t addr)
{
    if (state.dwfl == NULL) {
        state.dwfl = dwfl_begin(&callbacks);
        state.opened_ns = clock_now_ns();
    }
    if (state.dwfl == NULL) {
        return NULL;
    }
    /* Asked for code alone: libdwfl takes a mapping in a hole of an object for that object. */
    Dwfl_Module *module = state.maps == NULL || maps_find(state.maps, addr) == NULL
                              ? NULL
                              : dwfl_addrmodule(state.dwfl, addr);
    struct maps *maps;
    if (module == NULL && maps_create(&maps) == 0) {
        if (state.maps != NULL && maps_is_equal(maps, state.maps)) {
            maps_destroy(maps);
            return NULL;
        }
        report_objects(maps);
        module = maps_find(maps, addr) == NULL ? NULL : dwfl_addrmodule(state.dwfl, addr);
    }
    return module;
}

static int read_number(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value;
    return dwarf_formudata(dwarf_attr_integrate(die, name, &attribute), &value) == 0 ? (int)value
                                                                                     : 0;
}

/* Moves the place from an inlined function to the call that it was inlined for. */
static void move_to_call(Dwarf_Die *unit, Dwarf_Die *inlined, struct symbol_frame *place)
{
    Dwarf_Files *files;
    size_t count;
    size_t number = (size_t)read_number(inlined, DW_AT_call_file);
    place->line = read_number(inlined, DW_AT_call_line);
    place->file = "";
    if (dwarf_getsrcfiles(unit, &files, &count) == 0 && number < count) {
        place->file = keep_path(dwarf_filesrc(files, number, NULL, NULL), unit);
    }
}

static void find_place(Dwarf_Die *unit, uint64_t addr, struct symbol_frame *ret_place)
{
    Dwarf_Line *line = dwarf_getsrc_die(unit, addr);
    *ret_place = (struct symbol_frame){.file = ""};
    if (line != NULL) {
        ret_place->file = keep_path(dwarf_linesrc(line, NULL, NULL), unit);
        (void)dwarf_lineno(line, &ret_place->line);
    }
}

/* The name of an address in the symbol table, or NULL, and where the function begins. */
static const char *find_symbol_name(Dwfl_Module *module, uint64_t addr, uint64_t *ret_entry)
{
    GElf_Off offset = 0;
    GElf_Sym symbol = {0};
    const char *name = dwfl_module_addrinfo(module, addr, &offset, &symbol, NULL, NULL, NULL);
    /* Past its end it is only the nearest one: stripped functions lie in between. */
    bool is_covered = offset < symbol.st_size && GELF_ST_TYPE(symbol.st_info) != STT_OBJECT;
    if (name == NULL || name[0] == '\0' || !is_covered) {
        return NULL;
    }
    *ret_entry = addr - offset;
    return name;
}

/* A function of ours that only its own file can call is told apart by that file, with the name that
 * the build gives to its symbol: "listings_load.end". A library's keeps the name that its symbol
 * has. */
static const char *name_local(Dwarf_Die *function, const char *name)
{
    const char *path = dwarf_decl_file(function);
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    const char *file = slash == NULL ? path : slash + 1;
    const size_t len = file == NULL ? 0 : strlen(file);
    char local[LOCAL_NAME_BYTES];
    if (!state.is_main || len <= 2 || strcmp(file + len - 2, ".c") != 0) {
        return name; /* a header's has its module's prefix */
    }
    const int written = snprintf(local, sizeof(local), "%.*s.%s", (int)len - 2, file, name);
    return written < 0 || (size_t)written >= sizeof(local) ? name : keep_function(local);
}

/* Compilers leave some functions without a name in the debug information; the symbol table may
 * have one for the function that was not inlined. */
static void name_scope(Dwarf_Die *scope, const char *symbol_name, struct symbol_frame *frame)
{
    const char *name = dwarf_diename(scope);
    frame->own_name = NULL;
    if (name == NULL || name[0] == '\0') {
        const bool is_whole = dwarf_tag(scope) == DW_TAG_subprogram && symbol_name != NULL;
        frame->function = keep_function(is_whole ? symbol_name : UNKNOWN_NAME);
        return;
    }
    frame->function = keep_function(name);
    if (dwarf_hasattr_integrate(scope, DW_AT_external) == 0) {
        const char *own_name = frame->function;
        frame->function = name_local(scope, own_name);
        frame->own_name = frame->function == own_name ? NULL : own_name;
    }
}

/* From the innermost scope outwards: each inlined call and at last the function itself. */
static void add_scopes(Dwarf_Die *unit, Dwarf_Die *scopes, int scope_count, const char *symbol_name,
                       struct symbol_frame place, struct symbol_result *result)
{
    for (int i = 0; i < scope_count && result->count < SYMBOL_FRAMES_MAX; i++) {
        int tag = dwarf_tag(&scopes[i]);
        if (tag != DW_TAG_subprogram && tag != DW_TAG_inlined_subroutine) {
            continue;
        }
        name_scope(&scopes[i], symbol_name, &place);
        place.start_line = read_number(&scopes[i], DW_AT_decl_line);
        result->frames[result->count++] = place;
        if (tag == DW_TAG_subprogram) {
            return;
        }
        move_to_call(unit, &scopes[i], &place);
    }
}

/* gcc lists the addresses of each unit in .debug_aranges, where libdw takes what lies between two
 * units for the first one's; clang does not, and its units are asked. */
static Dwarf_Die *find_unit(Dwfl_Module *module, uint64_t addr, Dwarf_Addr *ret_bias)
{
    Dwarf_Die *unit = dwfl_module_addrdie(module, addr, ret_bias);
    if (unit != NULL) {
        return dwarf_haspc(unit, addr - *ret_bias) != 0 ? unit : NULL;
    }
    do {
        unit = dwfl_module_nextcu(module, unit, ret_bias);
    } while (unit != NULL && dwarf_haspc(unit, addr - *ret_bias) <= 0);
    return unit;
}

static void __attribute__((noreturn)) on_out_of_memory(void)
{
    longjmp(state.out_of_memory, 1);
}

/* The handler that libdw has by default ends the process. */
static void guard_dwarf(Dwfl_Module *module)
{
    Dwarf_Addr bias;
    Dwarf *dwarf = dwfl_module_getdwarf(module, &bias);
    if (dwarf == NULL) {
        return;
    }
    (void)dwarf_new_oom_handler(dwarf, on_out_of_memory);
    Dwarf *shared = dwarf_getalt(dwarf); /* of packages whose debug information is compressed */
    if (shared != NULL) {
        (void)dwarf_new_oom_handler(shared, on_out_of_memory);
    }
}

static void find_in_dwarf(Dwfl_Module *module, uint64_t addr, struct symbol_result *result)
{
    Dwarf_Addr bias;
    guard_dwarf(module);
    Dwarf_Die *unit = find_unit(module, addr, &bias);
    if (unit == NULL) {
        return;
    }
    const char *symbol_name = find_symbol_name(module, addr, &result->entry);
    Dwarf_Addr start;
    (void)dwfl_module_info(module, NULL, &start, NULL, NULL, NULL, NULL, NULL);
    state.is_main = state.maps->has_main && state.maps->items[0].object_start == start;
    struct symbol_frame place;
    Dwarf_Die *innermost = NULL;
    Dwarf_Die *scopes = NULL;
    find_place(unit, addr - bias, &place);
    if (dwarf_getscopes(unit, addr - bias, &innermost) > 0) {
        /* From an inlined scope dwarf_getscopes goes on where the function was written; this
         * goes on where it was inlined. */
        int count = dwarf_getscopes_die(&innermost[0], &scopes);
        add_scopes(unit, scopes, count, symbol_name, place, result);
    }
    if (result->count == 0 && symbol_name != NULL && place.line > 0) {
        place.function = keep_function(symbol_name); /* an assembler's lines, without scopes */
        result->frames[result->count++] = place;
    }
    free(innermost);
    free(scopes);
}

/* PLT stubs have no symbols. */
static bool is_plt(Dwfl_Module *module, uint64_t addr)
{
    GElf_Addr bias;
    Dwarf_Addr section_addr = addr;
    Elf_Scn *section = dwfl_module_address_section(module, &section_addr, &bias);
    Elf *elf = dwfl_module_getelf(module, &bias);
    GElf_Shdr header;
    size_t names;
    if (section == NULL || elf == NULL || gelf_getshdr(section, &header) == NULL ||
        elf_getshdrstrndx(elf, &names) != 0) {
        return false;
    }
    const char *name = elf_strptr(elf, names, header.sh_name);
    return name != NULL && strncmp(name, ".plt", 4) == 0;
}

static void find_in_symbols(Dwfl_Module *module, uint64_t addr, struct symbol_result *result)
{
    const char *name = find_symbol_name(module, addr, &result->entry);
    if (name == NULL && is_plt(module, addr)) {
        name = PLT_NAME;
        result->is_named = false; /* it says what the code is, not whose */
    }
    if (name != NULL) {
        result->frames[0] = (struct symbol_frame){.function = keep_function(name), .file = ""};
        result->count = 1;
    }
}

/* "libuv+0x1b0a0": functions without a symbol are told apart, or each would seem to call itself. */
static const char *name_function(Dwfl_Module *module, const char *path, uint64_t addr,
                                 uint64_t *ret_entry)
{
    char object[OBJECT_NAME_BYTES];
    char name[OBJECT_NAME_BYTES + 24];
    GElf_Addr bias;
    GElf_Addr start;
    object_name(path, object);
    const size_t len = strlen(object);
    if (path[0] != '/' || len < 3 || !function_start(module, addr, &bias, &start)) {
        return keep_function(object);
    }
    *ret_entry = start + bias;
    (void)snprintf(name, sizeof(name), "%.*s+0x%" PRIx64, (int)len - 2, object + 1, start);
    return keep_function(name);
}

static void use_object_name(Dwfl_Module *module, uint64_t addr, struct symbol_result *result)
{
    const char *path =
        module == NULL ? NULL : dwfl_module_info(module, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    const char *function =
        path == NULL ? UNKNOWN_NAME : name_function(module, path, addr, &result->entry);
    result->frames[0] = (struct symbol_frame){.function = function, .file = ""};
    result->count = 1;
    result->is_named = false;
    result->is_mapped = path != NULL;
}

static void use_synthetic_name(uint64_t addr, struct symbol_result *result)
{
    char name[SYNTHETIC_NAME_BYTES];
    synthetic_name(addr, name);
    result->frames[0] = (struct symbol_frame){.function = keep_function(name), .file = ""};
    result->count = 1;
}

static void find_symbol(uint64_t addr, struct symbol_result *result)
{
    result->count = 0;
    result->entry = 0;
    result->is_named = true;
    result->is_mapped = true;
    if (synthetic_is(addr)) {
        use_synthetic_name(addr, result);
        return;
    }
    Dwfl_Module *module = find_module(addr);
    if (module != NULL) {
        find_in_dwarf(module, addr, result);
        if (result->count == 0) {
            find_in_symbols(module, addr, result);
        }
    }
    if (result->count == 0) {
        use_object_name(module, addr, result);
    }
}

static bool is_entry(const void *key, uint32_t position)
{
    return state.entries[position].addr == *(const uint64_t *)key;
}

/* Past the maximum, answers are made again each time. */
static void cache(uint64_t addr, const struct symbol_result *result)
{
    size_t first = state.frame_count;
    for (size_t i = 0; i < result->count; i++) {
        if (!array_grow(&state.frames, first + i, &state.frame_cap, sizeof(*state.frames),
                        CACHE_FRAMES_MAX)) {
            return;
        }
        state.frames[first + i] = result->frames[i];
    }
    uint32_t position = (uint32_t)state.entry_count;
    if (!array_grow(&state.entries, position, &state.entry_cap, sizeof(*state.entries),
                    CACHE_ENTRIES_MAX) ||
        !lookup_add(&state.entry_lookup, lookup_mix(addr, 0), position)) {
        return;
    }
    state.entries[position] = (struct entry){.addr = addr,
                                             .entry = result->entry,
                                             .first = (uint32_t)first,
                                             .count = (uint16_t)result->count,
                                             .is_named = result->is_named,
                                             .is_mapped = result->is_mapped};
    state.entry_count++;
    state.frame_count += result->count;
}

static bool find_cached(uint64_t addr, struct symbol_result *result)
{
    uint32_t position;
    if (!lookup_find(&state.entry_lookup, lookup_mix(addr, 0), is_entry, &addr, &position)) {
        return false;
    }
    const struct entry *entry = &state.entries[position];
    memcpy(result->frames, &state.frames[entry->first], entry->count * sizeof(*result->frames));
    result->count = entry->count;
    result->entry = entry->entry;
    result->is_named = entry->is_named;
    result->is_mapped = entry->is_mapped;
    return true;
}

/* Forgets all but the texts, which results point to. */
static void forget(void)
{
    dwfl_end(state.dwfl);
    maps_destroy(state.maps);
    lookup_deinit(&state.entry_lookup);
    free(state.entries);
    free(state.frames);
    state.dwfl = NULL;
    state.maps = NULL;
    state.entries = NULL;
    state.frames = NULL;
    state.entry_count = state.entry_cap = 0;
    state.frame_count = state.frame_cap = 0;
    atomic_store(&state.used_ns, 0);
}

/* find_guarded is find_symbol unless memory is missing. libdw asserts that it gets some, so it is
 * asked only where there is room, and should another thread take that meanwhile, its handler jumps
 * back here: what it was making is lost. */
static bool find_guarded(uint64_t addr, struct symbol_result *result)
{
    if (!object_has_room()) {
        return false;
    }
    if (setjmp(state.out_of_memory) != 0) {
        forget();
        return false;
    }
    find_symbol(addr, result);
    return result->is_named || object_has_room();
}

/* libdw keeps what it has read of an object, more with each part of it that is asked for, and the
 * cache grows with each instruction that was ever sampled. Starting over now and then bounds
 * both. */
static void look_up(uint64_t addr, struct symbol_result *ret_result)
{
    const uint64_t now_ns = clock_now_ns();
    if (state.texts.max_bytes == 0) {
        arena_init(&state.texts, TEXTS_BYTES_MAX);
    }
    /* An address may belong to another object than when it was last asked for. */
    if (object_loads_changed(&state.loads) ||
        (state.dwfl != NULL && now_ns - state.opened_ns > AGE_NS_MAX)) {
        forget();
    }
    atomic_store(&state.used_ns, now_ns);
    ret_result->is_failed = false;
    if (find_cached(addr, ret_result)) {
        return;
    }
    if (find_guarded(addr, ret_result)) {
        cache(addr, ret_result);
        return;
    }
    *ret_result = (struct symbol_result){
        .frames = {{.function = UNKNOWN_NAME, .file = ""}}, .count = 1, .is_failed = true};
}

static uint32_t enter(void)
{
    (void)pthread_mutex_lock(&state.lock);
    return task_swap_label(LABEL_PROFILER);
}

static void leave(uint32_t label)
{
    (void)task_swap_label(label);
    (void)pthread_mutex_unlock(&state.lock);
}

void symbol_lookup(uint64_t addr, struct symbol_result *ret_result)
{
    const uint32_t label = enter();
    look_up(addr, ret_result);
    leave(label);
}

void symbol_lookup_shown(uint64_t shown, struct symbol_result *ret_result)
{
    const uint32_t label = enter();
    if (state.maps == NULL) {
        (void)find_module(shown);
    }
    look_up(state.maps == NULL ? shown : maps_unshift(state.maps, shown), ret_result);
    leave(label);
}

bool symbol_is_idle(uint64_t idle_ns)
{
    const uint64_t used_ns = atomic_load(&state.used_ns);
    return used_ns != 0 && clock_now_ns() - used_ns >= idle_ns;
}

void symbol_trim(void)
{
    const uint32_t label = enter();
    forget();
    leave(label);
}

void symbol_stop(void)
{
    const uint32_t label = enter();
    forget();
    arena_deinit(&state.texts);
    lookup_deinit(&state.name_lookup);
    free(state.names);
    state.names = NULL;
    state.name_count = state.name_cap = 0;
    leave(label);
}
