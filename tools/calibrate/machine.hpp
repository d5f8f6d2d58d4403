// tools/calibrate/machine.hpp: what can be measured of this machine without probes.
//
// Each is of many measurements what a tenth is below, in nanoseconds; 0 where the machine cannot say (one CPU has
// nobody to interrupt).
#pragma once

#include <cstdint>
#include <string>

namespace trapline::calibrate {

struct Machine {
    std::string name, processor, kernel, date;
    std::uint64_t hz = 0;      ///< of the time stamp counter
    double page_fault = 0;     ///< a page of anonymous memory, read for the first time
    double page_copy = 0;      ///< a page of a file, written for the first time, beyond that
    double protect = 0;        ///< mprotect of a page, there and back: two system calls with a flush each
    double protect_beside = 0; ///< the same while another thread of the process runs on another CPU
    double debugger_step = 0;  ///< a ptrace single step of another process, and waiting for it
};

Machine look_at_machine();

} // namespace trapline::calibrate
