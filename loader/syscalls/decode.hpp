// loader/syscalls/decode.hpp: system calls as people write them: `openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3`.
//
// What a call's arguments mean is said by the table (SyscallInfo::arguments), a letter each; here the letters become
// text, for the event log. The guest's memory is only looked at: a page that is not there yet is not brought in,
// because a run that is written down must not differ from one that is not. Read next: call.hpp.
#pragma once

#include "loader/syscalls/call.hpp"

#include <string>

namespace trapline {

/// What an argument's letter means, in a word: "descriptor". Empty for a letter that no table may use.
std::string_view argument_kind(char letter);

/// The call with its arguments. `returned`: what it gave back, which also says how many bytes it has read.
std::string decode_call(const Call& c, const SyscallInfo* info);
std::string decode_call(const Call& c, const SyscallInfo* info, long returned);

/// "ENOENT" for -2; empty for what is no error number.
std::string_view error_name(long result);

} // namespace trapline
