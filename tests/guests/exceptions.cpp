// C++ at run time: exceptions through several frames with destructors, rtti,
// iostreams, strings and std::sort. Prints what was caught and the sorted words.
#include <algorithm>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <vector>

namespace {

int destroyed = 0;

struct Guard {
    ~Guard() { ++destroyed; }
};

struct Shape {
    virtual ~Shape() = default;
};
struct Circle : Shape {};
struct Square : Shape {};

} // namespace

[[gnu::noinline]] int throw_at(int depth) {
    const Guard guard;
    if (depth == 0) throw std::runtime_error("bottom");
    return throw_at(depth - 1) + 1;
}

int main() {
    int caught = 0;
    for (int depth = 0; depth < 10; ++depth) {
        try {
            throw_at(depth);
        } catch (const std::exception& error) {
            if (error.what() == std::string("bottom")) ++caught;
        }
    }
    std::cout << "caught " << caught << ", destroyed " << destroyed << '\n';

    const std::unique_ptr<Shape> shape = std::make_unique<Circle>();
    const Shape& what = *shape;
    std::cout << (dynamic_cast<Circle*>(shape.get()) != nullptr) << (dynamic_cast<Square*>(shape.get()) != nullptr)
              << (typeid(what) == typeid(Circle)) << '\n';
    try {
        static_cast<void>(dynamic_cast<Square&>(*shape));
    } catch (const std::bad_cast&) {
        std::cout << "bad cast\n";
    }

    std::vector<std::string> words = {"trap", "line", "probe", "slot", "hit"};
    std::sort(words.begin(), words.end());
    for (const auto& word : words) std::cout << word << ' ';
    std::cout << 0.1 + 0.2 << '\n';
    return caught == 10 && destroyed == 55 ? 0 : 1;
}
