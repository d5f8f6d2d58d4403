// loader/proc/process_text.hpp: the texts in /proc/PID, each made from the process as it is when it is read.
#pragma once

#include "loader/files/file.hpp"

#include <string>

namespace trapline {

std::string auxv_text(Io& io, Process& p, Task& t);
std::string cmdline_text(Io& io, Process& p, Task& t);
std::string comm_text(Io& io, Process& p, Task& t);
std::string environ_text(Io& io, Process& p, Task& t);
std::string limits_text(Io& io, Process& p, Task& t);
std::string maps_text(Io& io, Process& p, Task& t);
std::string mountinfo_text(Io& io, Process& p, Task& t);
std::string mounts_text(Io& io, Process& p, Task& t);
std::string stat_text(Io& io, Process& p, Task& t);
std::string statm_text(Io& io, Process& p, Task& t);
std::string status_text(Io& io, Process& p, Task& t);
std::string zero_text(Io& io, Process& p, Task& t);

} // namespace trapline
