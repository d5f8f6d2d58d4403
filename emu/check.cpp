#include "emu/check.hpp"

#include <cstdio>
#include <unistd.h>

namespace trapline {

CheckContext& check_context() {
    static CheckContext context;
    return context;
}

void check_failed(std::string_view file, int line, std::string_view condition, std::string_view text) {
    CheckContext& context = check_context();
    std::string token = context.token ? context.token() : std::string("none");
    std::string message = fmt::format("trapline: {}:{}: defect: {} ({})\n  please report it with the replay token {}\n",
                                      file, line, text, condition, token);
    (void)!::write(2, message.data(), message.size());
    ::_exit(context.exit_code);
}

} // namespace trapline
