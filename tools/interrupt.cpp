#include "tools/interrupt.hpp"

#include <csignal>

namespace trapline {
namespace {

std::atomic<bool> interrupted = false;
std::atomic<int> signal_number = 0;
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free, "used in a handler");

void note(int number) {
    signal_number = number;
    interrupted = true;
}

} // namespace

const std::atomic<bool>* catch_interrupts() {
    struct sigaction action {};
    action.sa_handler = note;
    action.sa_flags = static_cast<int>(SA_RESETHAND); // without SA_RESTART: a guest that waits for input is interrupted
    for (const int number : {SIGINT, SIGTERM}) {
        // Whoever started us with nohup or in the background of a script wants the signal ignored.
        struct sigaction before {};
        ::sigaction(number, nullptr, &before);
        if (before.sa_handler != SIG_IGN) ::sigaction(number, &action, nullptr);
    }
    return &interrupted;
}

int interrupted_by() { return signal_number; }

} // namespace trapline
