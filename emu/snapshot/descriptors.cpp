#include "emu/snapshot/descriptors.hpp"

#include "emu/snapshot/arena.hpp"

#include <unistd.h>
#include <vector>

namespace trapline::descriptors {
namespace {

struct Table {
    std::vector<bool> held;             // the machine owns it
    std::vector<bool> kept;             // it did when the snapshot was taken
    std::vector<bool> closed_meanwhile; // kept, and the machine wanted it closed
    bool snapshot = false;
};

Table& table() {
    static Table t;
    return t;
}

void set(std::vector<bool>& bits, int fd, bool value) {
    const auto i = static_cast<std::size_t>(fd);
    if (i >= bits.size()) bits.resize(i + 1);
    bits[i] = value;
}

bool has(const std::vector<bool>& bits, std::size_t fd) { return fd < bits.size() && bits[fd]; }

} // namespace

void opened(int fd) {
    if (fd < 0) return;
    const Arena::Off off;
    set(table().held, fd, true);
}

void close(int fd) {
    const Arena::Off off;
    Table& t = table();
    set(t.held, fd, false);
    if (t.snapshot && has(t.kept, static_cast<std::size_t>(fd)))
        set(t.closed_meanwhile, fd, true);
    else
        ::close(fd);
}

void begin_snapshot() {
    const Arena::Off off;
    Table& t = table();
    t.kept = t.held;
    t.closed_meanwhile.clear();
    t.snapshot = true;
}

void put_back() {
    Table& t = table();
    for (std::size_t fd = 0; fd < t.held.size(); ++fd)
        if (t.held[fd] && !has(t.kept, fd)) ::close(static_cast<int>(fd));
    t.held = t.kept;
    t.closed_meanwhile.clear();
}

void end_snapshot() {
    Table& t = table();
    for (std::size_t fd = 0; fd < t.closed_meanwhile.size(); ++fd)
        if (t.closed_meanwhile[fd]) ::close(static_cast<int>(fd));
    t = Table{std::move(t.held), {}, {}, false};
}

} // namespace trapline::descriptors
