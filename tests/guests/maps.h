// For guests that read /proc/self/maps as programs do: all of it into memory, then line by line.
#ifndef TRAPLINE_TESTS_GUESTS_MAPS_H
#define TRAPLINE_TESTS_GUESTS_MAPS_H

#include "guest.h"

enum { SYS_read = 0, SYS_open = 2, SYS_close = 3 };

struct area {
    u64 start, end;
    const char* name; // up to the end of the line
};

static char maps_text[16384];

// All of the file; 0 if that cannot be had.
static inline const char* read_maps(void) {
    const long fd = syscall3(SYS_open, (u64) "/proc/self/maps", 0, 0);
    if (fd < 0) return 0;
    u64 length = 0;
    for (long n; (n = syscall3(SYS_read, (u64)fd, (u64)(maps_text + length), sizeof maps_text - 1 - length)) > 0;)
        length += (u64)n;
    syscall3(SYS_close, (u64)fd, 0, 0);
    maps_text[length] = 0;
    return maps_text;
}

static inline u64 take_hex(const char** at) {
    u64 value = 0;
    for (;; ++*at) {
        const char c = **at;
        if (c >= '0' && c <= '9')
            value = value * 16 + (u64)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value * 16 + (u64)(c - 'a' + 10);
        else
            return value;
    }
}

// The area whose line starts at `line`; returns where the next line starts.
static inline const char* take_area(const char* line, struct area* area) {
    area->start = take_hex(&line);
    ++line;
    area->end = take_hex(&line);
    for (; *line && *line != '\n'; ++line)
        if (*line == ' ') area->name = line + 1;
    return *line ? line + 1 : line;
}

#endif
