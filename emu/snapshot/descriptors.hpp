// emu/snapshot/descriptors.hpp: the host's descriptors that a machine holds, across snapshots.
//
// A descriptor is a number in the machine's memory and a thing of the host's. While a snapshot exists, one that was
// open when it was taken is not closed, because the machine that is put back still holds it; and one that was opened
// since is closed when the machine is put back, because nobody holds it any more. loader/host_fd.hpp tells this of all
// it owns. Positions in files are not kept here: the machine reads files at positions of its own.
#pragma once

namespace trapline::descriptors {

void opened(int fd);
/// Closes it now, or when no snapshot needs it any more.
void close(int fd);

// For Snapshot.
void begin_snapshot();
void put_back();
void end_snapshot();

} // namespace trapline::descriptors
