// loader/files/shared_memory.hpp: /dev/shm: a directory without directories whose files live in the machine's memory.
//
// shm_open and sem_open of the C library use it like any directory: they create, link, rename and remove names there.
// Paths are those that find_place resolved; everything returns 0 or a negative errno. Read next: memory_file.hpp.
#pragma once

#include "loader/files/file_table.hpp"

#include <string_view>

namespace trapline {

/// A new file, or a FIFO. -EACCES or -ENOENT for a place that is not directly in /dev/shm.
OrErrno<std::shared_ptr<MemoryNode>> make_shared_file(Kernel& kernel, SharedFiles& shared, std::string_view path,
                                                      mode_t mode, bool fifo);
int link_shared(SharedFiles& shared, std::string_view from, std::string_view to);
int rename_shared(SharedFiles& shared, std::string_view from, std::string_view to, unsigned flags);
int unlink_shared(SharedFiles& shared, std::string_view path);

} // namespace trapline
