// strategies/xol_page.cpp: single-stepping out of line in a page that no mapping shows.
//
// The XOL area's most unpalatable part, says seed 001, is that user space sees it: a line in /proc/PID/maps, an area
// that munmap can delete, a page of address space gone. Mel Gorman's first alternative there is a reserved XOL page. On
// x86-64 there is one to have: Linux never maps the last page below the canonical hole (0x7ffffffff000), so the kernel
// can put a page of its own there, in each address space that is probed, and no system call that takes an address
// reaches it.
//
// The steps are those of xol.cpp. What the program can observe: nothing in /proc, nothing to unmap, no address space
// taken (a program that uses nearly all of it does not meet the page). What remains: the page can be read and executed
// by whoever guesses its address, RCX after a probed `syscall` and the address pushed by `pushf` under TF are as with
// xol, and a slot at the very end of the page would make `syscall` return to a non-canonical address, which is why the
// page is left free in the first place; the last slot's copy ends long before. Costs what xol costs.
#include "probes/strategies/xol.hpp"

namespace trapline {

std::unique_ptr<Strategy> make_xol_page(Uprobes& u) {
    return std::make_unique<XolStep>(u, XolArea::Place::reserved_page);
}

} // namespace trapline
