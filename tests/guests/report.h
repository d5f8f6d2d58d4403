// What guests need that say what they see: lines are collected and written at once, and values are named after the
// places that they point to, so that what is printed does not depend on where things are.
#ifndef TRAPLINE_TESTS_GUESTS_REPORT_H
#define TRAPLINE_TESTS_GUESTS_REPORT_H
#include "guest.h"

enum { SYS_read = 0, SYS_open = 2, SYS_close = 3 };

static char line[4096];
static u32 used;
static void flush(void) {
    syscall3(SYS_write, 1, (u64)line, used);
    used = 0;
}
static void text(const char* t) {
    for (; *t; ++t) line[used++] = *t;
    if (used > sizeof line - 256) flush();
}
static void hex(u64 v, u32 digits) {
    char out[17];
    u32 n = 0;
    do {
        out[n++] = "0123456789abcdef"[v & 15];
        v >>= 4;
    } while (v || n < digits);
    while (n) line[used++] = out[--n];
}

struct place {
    const char* name;
    u64 start, size;
};
// The mappings of uprobes as /proc/self/maps has them now: at most `most`. They are where there is room.
struct mapping {
    u64 start;
    char rights[5];
    int trampoline; // or the area of slots
};
static u32 find_mappings(struct mapping* found, u32 most);
static u64 was_at[2] = {~0ul << 12, ~0ul << 12}; // the area of slots and the trampoline, when they were last seen
static const char* name_of(const struct mapping* m) { return m->trampoline ? "[uprobes-trampoline]" : "[uprobes]"; }
static void offset(const char* name, u64 by) {
    text(name);
    text("+");
    hex(by, 1);
}
static int value_in(const struct place* places, u32 count, u64 v) {
    struct mapping all[4];
    for (u32 i = 0; i < count; ++i)
        if (v - places[i].start < places[i].size) return offset(places[i].name, v - places[i].start), 1;
    if (v < 0x10000) return 0;
    if (v >> 47) return text("no address of ours"), 1;
    const u32 n = find_mappings(all, 4);
    for (u32 i = 0; i < n; ++i)
        if (v - all[i].start < 4096) return offset(name_of(&all[i]), v - all[i].start), 1;
    for (u32 i = 0; i < 2; ++i)
        if (v - was_at[i] < 4096)
            return offset(i ? "where [uprobes-trampoline] was" : "where [uprobes] was", v - was_at[i]), 1;
    return 0;
}

// Whether the text at *at begins with the word; it is then skipped.
static int skip(const char** at, const char* word) {
    const char* a = *at;
    while (*word)
        if (*a++ != *word++) return 0;
    *at = a;
    return 1;
}

static u64 parse_address(const char* at) {
    u64 v = 0;
    for (; *at != '-' && *at != ' '; ++at) v = v * 16 + (u64)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
    return v;
}

static u32 find_mappings(struct mapping* found, u32 most) {
    static char file[65536];
    const long fd = syscall3(SYS_open, (u64) "/proc/self/maps", 0, 0);
    u64 size = 0;
    u32 n = 0;
    for (long got; (got = syscall3(SYS_read, (u64)fd, (u64)(file + size), sizeof file - size)) > 0;) size += (u64)got;
    syscall3(SYS_close, (u64)fd, 0, 0);
    for (u64 start = 0, i = 0; i < size && n < most; ++i) {
        if (file[i] != '\n') continue;
        u64 name = start, rights = start;
        while (name < i && file[name] != '[') ++name;
        const char* is = file + name;
        if (skip(&is, "[uprobes")) {
            while (file[rights] != ' ') ++rights;
            found[n].start = parse_address(file + start);
            for (int k = 0; k < 4; ++k) found[n].rights[k] = file[rights + 1 + (u64)k];
            found[n].rights[4] = 0;
            found[n].trampoline = *is == '-';
            was_at[found[n].trampoline] = found[n].start;
            ++n;
        }
        start = i + 1;
    }
    return n;
}

static void show_maps(void) {
    struct mapping all[8];
    const u32 n = find_mappings(all, 8);
    text("maps");
    for (u32 i = 0; i < n; ++i) {
        text(" ");
        text(all[i].rights);
        text(" ");
        text(name_of(&all[i]));
    }
    text("\n");
}

static void show_text(const u8* at, u64 length) {
    struct mapping all[8];
    const u32 n = find_mappings(all, 8);
    text("text");
    if (length >= 5 && at[0] == 0xe8) {
        const u64 target = (u64)at + 5 + (u64)(long)*(const int*)(at + 1);
        for (u32 i = 0; i < n; ++i) {
            if (all[i].start != target) continue;
            text(" call ");
            text(name_of(&all[i]));
            at += 5;
            length -= 5;
            break;
        }
    }
    for (u64 i = 0; i < length; ++i) {
        text(" ");
        hex(((const volatile u8*)at)[i], 2);
    }
    text("\n");
}
#endif
