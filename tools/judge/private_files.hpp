// tools/judge/private_files.hpp: files that only the judged program can reach.
//
// In a mount namespace of its own, a process sees private copies in place of the probed files, and copies of the
// folders that it may write to; everything else of its root folder is read-only. The copies are on a tmpfs that has no
// name: it goes with the namespace, however that ends.
#pragma once

#include "tools/judge/live.hpp"

#include <map>

namespace trapline::judge {

/// The calling process gets the namespace. The value has, for every path of `request.probes`, the path at which this
/// process itself sees the copy. A file that is not there is left out.
Result<std::map<std::string, std::string>> make_files_private(const LiveRequest& request);

/// Makes the request's root folder the calling process's, and its working directory the current one.
Result<void> enter_root(const LiveRequest& request);

} // namespace trapline::judge
