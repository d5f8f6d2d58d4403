// loader/files/segments.hpp: shared memory of System V: shmget(2).
//
// A segment is memory that processes find by a key and map where they like. It lasts until it is removed *and* nobody
// has it mapped: what is removed is held by its mappings alone, so that it goes with the last of them. Read next:
// loader/syscalls/segments.cpp.
#pragma once

#include "emu/mm/inode.hpp"

#include <map>
#include <memory>
#include <sys/types.h>

namespace trapline {

struct Segment {
    std::int32_t key = 0;
    std::uint32_t mode = 0;                               ///< rights, and SHM_DEST when it has been removed
    std::uint64_t bytes = 0;                              ///< as asked for
    std::shared_ptr<Inode> kept;                          ///< null when it has been removed
    std::weak_ptr<Inode> inode;                           ///< its memory
    std::int32_t creator = 0, last = 0;                   ///< process ids: who made it, who attached or detached last
    std::int64_t attached = 0, detached = 0, changed = 0; ///< times, seconds; 0: never

    [[nodiscard]] bool gone() const { return inode.expired(); }
};

/// Those of one machine, by identifier.
struct Segments {
    std::map<std::int32_t, Segment> all;
    std::int32_t last_id = -1;
};

} // namespace trapline
