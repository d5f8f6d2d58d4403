// loader/similar_names.hpp: "did you mean": the names that resemble a mistyped one.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace trapline {

/// At most `count` of the names, the most similar first and equally similar ones in alphabetical order. Similar is what
/// a few edits turn into the wanted name (upper and lower case are the same), and then what contains it. Names that are
/// unlike are left out, so the result may be empty.
std::vector<std::string> similar_names(std::string_view wanted, const std::vector<std::string_view>& names,
                                       std::size_t count);

} // namespace trapline
